//! The parts of a certificate that this project uses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::bounded;

/// The most bytes of a subject or an issuer as text. A stranger can send one as long as its handshake.
const MAX_SUBJECT_BYTES: usize = 256;

/// The most digits of a serial number in hex. A valid one has 40 at most, for 20 bytes (RFC 5280, 4.1.2.2).
const MAX_SERIAL_BYTES: usize = 80;

/// The most certificates in a chain. rustls has the same limit.
pub(crate) const MAX_CHAIN: usize = 8;

/// Which side shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A server, to its clients.
    Server,
    /// A client, to a server.
    Client,
}

/// A certificate, as far as this project looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// Its DNS names.
    pub names: Vec<String>,
    /// Its serial number in lower-case hex, as in revocation lists.
    pub serial: String,
    /// The first moment when it is valid.
    pub not_before: SystemTime,
    /// The last moment when it is valid.
    pub not_after: SystemTime,
    /// Its subject as text, of bounded length.
    pub subject: String,
    /// Its issuer as text, of bounded length.
    pub issuer: String,
    /// Whether it is the certificate of an authority (basic constraints).
    pub is_authority: bool,
    /// The SHA-256 of the part that its authority signed. Its owner can change nothing of that part.
    pub identity: [u8; 32],
    /// Its key or its signature, in words, if peers refuse that.
    pub(crate) weakness: Option<String>,
    /// Whether servers may show it.
    server: bool,
    /// Whether clients may show it.
    client: bool,
}

impl Certificate {
    /// Reads a certificate from DER. `None` if the bytes are something else.
    #[must_use]
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
            // As webpki does: a certificate without the extension serves every purpose, and the purpose `any` does not count.
            server: usage.is_none_or(|usage| usage.server_auth),
            client: usage.is_none_or(|usage| usage.client_auth),
        })
    }

    /// Whether this side may show it.
    #[must_use]
    pub fn serves(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Server => self.server,
            Purpose::Client => self.client,
        }
    }

    /// Whether it has this DNS name. Wildcards do not match: every service has a name of its own.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The sizes of RSA keys that signatures are verified with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The key or the signature, in words, if no peer accepts it.
fn weakness(certificate: &X509Certificate<'_>) -> Option<String> {
    if let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() {
        let bits = key.key_size();
        if !RSA_BITS.contains(&bits) {
            return Some(format!("an RSA key of {bits} bits"));
        }
    }
    // The own signature of a root proves nothing, so it may be weak.
    let own = certificate.subject().as_raw() == certificate.issuer().as_raw();
    let name = match certificate.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5",
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => "SHA-1",
        _ => return None,
    };
    (!own).then(|| format!("a signature with {name}"))
}

/// The first moment when one of these certificates is not valid any more.
///
/// A certificate that has expired before `now` does not count, because the peer was accepted without it. `None` if none is left.
#[must_use]
pub fn valid_until(chain: &[CertificateDer<'_>], now: SystemTime) -> Option<SystemTime> {
    // A certificate is valid up to the end of the second that it names.
    let end = |one: Certificate| one.not_after + Duration::from_secs(1);
    chain.iter().filter_map(|der| Certificate::parse(der)).map(end).filter(|end| *end > now).min()
}

/// A time of a certificate, in seconds since 1970, which may be negative.
#[must_use]
pub fn system_time(unix_seconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(unix_seconds.unsigned_abs());
    if unix_seconds < 0 { UNIX_EPOCH - seconds } else { UNIX_EPOCH + seconds }
}
