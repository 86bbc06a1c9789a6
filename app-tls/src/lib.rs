//! TLS for RPC: reading certificates, keys and revocation lists, checking them, and the rustls configs of both sides.
//!
//! Why a crate of its own: certificates are a subject apart from calls, and all of it is found here. What stays out: making
//! certificates (`app-pki`), and connections with what is sent over them (`app-rpc`). A server needs nothing that can sign a
//! certificate, so this crate has no such code.
//!
//! ```
//! use app_tls::{Authorities, KeyPair, MaterialError};
//!
//! // A problem is told by what is wrong and what to do.
//! let der = b"\x30\x03\x02\x01\x00";
//! assert_eq!(
//!     Authorities::from_pem(der, b"").unwrap_err().to_string(),
//!     "is DER (binary), not PEM; convert it: openssl x509 -inform DER -in FILE -out FILE.pem",
//! );
//! assert!(matches!(KeyPair::from_pem(b"", b""), Err(MaterialError::Pem(_))));
//! ```
//!
//! - [`pem`] reads PEM strictly: it refuses what it does not understand, and names the block and the line.
//! - [`KeyPair`] is this side's certificate with its private key, [`Authorities`] are the authorities that peers are accepted from,
//!   with their revocation lists.
//! - [`ConfigCheck`] answers before a start which peers a config would accept, and reports what is wrong with it.
//! - [`server_config`] and [`client_config`] make the configs of rustls: TLS 1.3 and 1.2, certificates on both sides, and nothing
//!   resumed. Each handshake is a decision of its own, so a client with a revoked certificate is refused at its next connection.
//! - [`record_handshake`] keeps the peer's certificate, and the reason when it is refused.
//! - [`ExpiryWatch`] shows when certificates and lists in use expire: a gauge, and warnings in the log.
//!
//! # Cryptography
//!
//! All of it is ring's. rustls offers ring and aws-lc-rs. ring builds with a C compiler alone, and in a third of the time.
//! aws-lc-rs has post-quantum key exchange. The choice is one feature in the root manifest and [`crypto_provider`].

mod alert;
mod authorities;
mod certificate;
mod client;
mod clock;
mod config_check;
mod crl;
mod error_text;
mod errors;
mod expiry;
mod ids;
mod key_kind;
mod key_pair;
mod name;
pub mod pem;
mod probe;
mod provider;
mod refusal;
mod rejection;
mod revoked;
mod sample;
mod server;
mod shown_names;
mod text;
mod verifiers;

pub use self::alert::alert_text;
pub use self::authorities::Authorities;
pub use self::certificate::{Certificate, Purpose, system_time, valid_until};
pub use self::client::{client_config, collector_config, server_name};
pub use self::config_check::ConfigCheck;
pub use self::errors::MaterialError;
pub use self::expiry::{Expiry, ExpiryWatch, ServiceExpiry, expiries_of};
pub use self::ids::{APP_RPC_SERVICE_ID, CERTIFICATE_END};
pub use self::key_pair::KeyPair;
pub use self::name::RpcName;
pub use self::provider::crypto_provider;
pub use self::refusal::Refusal;
pub use self::revoked::{RevocationWatch, RevokedSet};
pub use self::server::server_config;
pub use self::shown_names::{ShownNames, list_names, shown_names};
pub use self::text::bounded;
pub use self::verifiers::{HandshakeRecord, record_handshake};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
