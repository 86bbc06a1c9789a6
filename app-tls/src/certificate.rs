//! What is in a certificate, as far as we look at it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::bounded;

/// The most bytes of a subject or an issuer, as people read it: a stranger can show one as long as its handshake.
const MAX_SUBJECT_BYTES: usize = 256;

/// The most bytes of a serial number in hex. A lawful one has twenty bytes, so forty (RFC 5280, 4.1.2.2).
const MAX_SERIAL_BYTES: usize = 80;

/// The most certificates of a chain. rustls takes no more either.
pub(crate) const MAX_CHAIN: usize = 8;

/// What a certificate is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// By a server to its clients.
    Server,
    /// By a client to a server.
    Client,
}

/// Whose a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The names (DNS) in it.
    pub names: Vec<String>,
    /// Its serial number in lower-case hex, as revocation lists have it.
    pub serial: String,
    /// The first moment at which it is valid.
    pub not_before: SystemTime,
    /// The last one.
    pub not_after: SystemTime,
    /// Whose it is, for people.
    pub subject: String,
    /// Whose signature it has, for people.
    pub issuer: String,
    /// Whether it is that of an authority.
    pub is_authority: bool,
    /// The SHA-256 of what its authority signed: its owner can change none of it.
    pub identity: [u8; 32],
    /// What of it peers refuse, whatever else it says: its key or its signature.
    pub(crate) weakness: Option<String>,
    /// Whether it may be shown by servers.
    server: bool,
    /// Whether it may be shown by clients.
    client: bool,
}

impl Certificate {
    /// Reads a certificate; `None` if it is none.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let usage = parsed.extended_key_usage().ok()?.map(|usage| usage.value);
        let names = parsed.subject_alternative_name().ok()?.map(|names| &names.value.general_names);
        let names = names.into_iter().flatten().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        let serial: String = parsed.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self {
            names: names.collect(),
            serial: bounded(&serial, MAX_SERIAL_BYTES),
            not_before: system_time(parsed.validity().not_before.timestamp()),
            not_after: system_time(parsed.validity().not_after.timestamp()),
            subject: bounded(&parsed.subject().to_string(), MAX_SUBJECT_BYTES),
            issuer: bounded(&parsed.issuer().to_string(), MAX_SUBJECT_BYTES),
            is_authority: parsed.is_ca(),
            identity: Sha256::digest(parsed.tbs_certificate.as_ref()).into(),
            weakness: weakness(&parsed),
            // As webpki sees it: a certificate without the extension serves every purpose, and `any` names none.
            server: usage.is_none_or(|usage| usage.server_auth),
            client: usage.is_none_or(|usage| usage.client_auth),
        })
    }

    /// Whether it may be shown for this.
    #[must_use]
    pub fn serves(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Server => self.server,
            Purpose::Client => self.client,
        }
    }

    /// Whether it has this name. Wildcards have no meaning here: every service has a name of its own.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The bits of RSA keys whose signatures are verified.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What of a certificate no peer takes.
fn weakness(certificate: &X509Certificate<'_>) -> Option<String> {
    if let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() {
        let bits = key.key_size();
        if !RSA_BITS.contains(&bits) {
            return Some(format!("an RSA key of {bits} bits"));
        }
    }
    // What an authority says of itself is trusted for other reasons than its signature.
    let own = certificate.subject().as_raw() == certificate.issuer().as_raw();
    let name = match certificate.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5",
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => "SHA-1",
        _ => return None,
    };
    (!own).then(|| format!("a signature with {name}"))
}

/// When the first of these certificates ends. One that had ended before is of no importance: the peer was let in all the same.
pub fn valid_until(chain: &[CertificateDer<'_>], now: SystemTime) -> Option<SystemTime> {
    // The second that the certificate names is a part of its time.
    let end = |one: Certificate| one.not_after + Duration::from_secs(1);
    chain.iter().filter_map(|der| Certificate::parse(der)).map(end).filter(|end| *end > now).min()
}

/// A moment, as certificates have it.
#[must_use]
pub fn system_time(unix_seconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(unix_seconds.unsigned_abs());
    if unix_seconds < 0 { UNIX_EPOCH - seconds } else { UNIX_EPOCH + seconds }
}
