//! Makes certificates: authorities, certificates of servers and clients, and revocation lists.
//!
//! `appctl pki` uses this crate for operators, and `svc-example --dev` for a throwaway setup. Tests use it without files. Why a crate
//! of its own: no server needs to make certificates, so no server links it. What stays out: public authorities, certificate
//! requests, and keys in hardware.
//!
//! ```
//! use app_pki::{Authority, AuthorityOptions, ClientName, LeafOptions, Subject, Validity};
//! use app_tls::{Authorities, KeyPair, Purpose};
//!
//! let authority = Authority::root(&AuthorityOptions::new("an authority", Validity::days(3650)))?;
//! let client = authority.issue(&Subject::Client(ClientName::new("deploy.example.com")?), &LeafOptions::days(90))?;
//! // What a server trusts, and what the client shows.
//! let trusted = Authorities::from_pem(authority.root_pem().unwrap().as_bytes(), b"")?;
//! let shown = KeyPair::from_pem(&client.key, client.certificate.as_bytes())?;
//! assert!(shown.certificate().serves(Purpose::Client) && !shown.certificate().serves(Purpose::Server));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - Names: the certificate of a server has one name, `{domain}_{app}_{service}` ([`RpcName`](app_tls::RpcName)), and serves no other
//!   purpose. The certificate of a client has one name, and serves no other purpose either. What a client may do is not in its
//!   certificate: the server's config grants it to the name.
//! - Serial numbers are positive and random, of 16 bytes. Keys are ECDSA P-256 by default ([`KeyKind`]).
//! - Everything is valid from an hour before it was made ([`Validity::BACKDATED`]), because clocks differ.
//! - An authority signs only servers and clients (path length 0), unless [`AuthorityOptions::path_length`] allows others under it.
//! - Keys are in memory that is overwritten ([`SecretBytes`](app_config::SecretBytes)), except for a buffer in the PEM encoder.
//!
//! [`Directory`] is an authority in a folder: its key, its list, and an index of all certificates that it issued.

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
    Contents, CrlStatus, Directory, DirectoryError, IssueOptions, IssuedCertificate, IssuedFiles, Revocation,
};
pub use self::errors::PkiError;
pub use self::info::{CertificateInfo, CertificateKind, CrlInfo};
pub use self::key::KeyKind;
pub use self::revocation::Revoked;
pub use self::serial::Serial;
pub use self::validity::Validity;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
