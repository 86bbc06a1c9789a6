//! What is in a certificate, as far as we look at it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

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
    /// Whether it may be shown by servers.
    server: bool,
    /// Whether it may be shown by clients.
    client: bool,
}

impl Certificate {
    /// Reads a certificate; `None` if it is none.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
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
            serial,
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            server: usage.is_none_or(|usage| usage.any || usage.server_auth),
            client: usage.is_none_or(|usage| usage.any || usage.client_auth),
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

/// A moment, as certificates have it.
pub(crate) fn time(unix_seconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(unix_seconds.unsigned_abs());
    if unix_seconds < 0 { UNIX_EPOCH - seconds } else { UNIX_EPOCH + seconds }
}
