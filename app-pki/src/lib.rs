//! Certificates of one's own: authorities, what servers and clients show, and revocation lists.
//!
//! For operators by way of `appctl pki`, and for tests and throwaway setups as values. What stays out: authorities for the public,
//! requests that are signed elsewhere, and keys in hardware.
//!
//! ```
//! use app_pki::{Authority, AuthorityOptions, ClientName, LeafOptions, Subject, Validity};
//! use app_tls::{Authorities, KeyPair, Purpose};
//!
//! let authority = Authority::root(&AuthorityOptions::new("an authority", Validity::days(3650)))?;
//! let client = authority.issue(&Subject::Client(ClientName::new("deploy.example.com")?), &LeafOptions::days(90))?;
//! // What a server needs to know of it, and what the client shows.
//! let trusted = Authorities::from_pem(authority.root_pem().unwrap().as_bytes(), b"")?;
//! let shown = KeyPair::from_pem(&client.key, client.certificate.as_bytes())?;
//! assert!(shown.certificate().serves(Purpose::Client) && !shown.certificate().serves(Purpose::Server));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - Names: a server has one, `{domain}_{app}_{service}` ([`RpcName`](crate::RpcName)), and may be nothing but a server; a client has
//!   one, and may be nothing but a client. What a client may do is no matter of its certificate: it is granted to its name in the
//!   server's config.
//! - Serial numbers are 127 random bits. Keys are ECDSA P-256, unless asked for otherwise ([`KeyKind`]).
//! - Everything is valid from an hour before it was made ([`Validity::BACKDATED`]), since clocks differ.
//! - An authority signs servers and clients alone (path length 0), unless it is to have others under it
//!   ([`AuthorityOptions::path_length`]).
//! - Keys are in memory that is overwritten ([`SecretBytes`](app_config::SecretBytes)); a buffer inside of the PEM encoder is not.
//!
//! [`Directory`] is an authority on disk: its key, its list, and the index of what it issued.

mod authority;
mod client_name;
mod directory;
mod errors;
mod info;
mod key;
mod revocation;
mod serial;
mod validity;

pub use self::authority::{Authority, AuthorityOptions, Issued, LeafOptions, Subject};
pub use self::client_name::ClientName;
pub use self::directory::{
    Contents, CrlStatus, Directory, DirectoryError, Listed, Placed, Revocation, Wanted,
};
pub use self::errors::PkiError;
pub use self::info::{CertificateInfo, CertificateKind, CrlInfo};
pub use self::key::KeyKind;
pub use self::revocation::Revoked;
pub use self::serial::Serial;
pub use self::validity::Validity;
