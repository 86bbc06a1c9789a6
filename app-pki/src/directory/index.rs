//! The index of the certificates that an authority issued.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::DirectoryError;
use super::files::{self, Secrecy};
use crate::{CertificateInfo, PkiError, Revoked, Serial};

const VERSION: u32 = 1;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The index as it is in the file: JSON that people can read too.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Index {
    version: u32,
    /// The number of the last revocation list.
    pub(super) crl_number: u64,
    /// For how many days a revocation list is valid.
    pub(super) crl_days: u32,
    /// The folder of the authority above, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) above: Option<PathBuf>,
    pub(super) issued: Vec<Entry>,
}

/// An issued certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(with = "text")]
    pub(super) serial: Serial,
    /// `server`, `client` or `authority`.
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(with = "moment")]
    pub(super) not_before: SystemTime,
    #[serde(with = "moment")]
    pub(super) not_after: SystemTime,
    pub(super) fingerprint: String,
    /// Its file, relative to the folder or absolute.
    pub(super) file: PathBuf,
    #[serde(default, with = "maybe_moment", skip_serializing_if = "Option::is_none")]
    pub(super) revoked: Option<SystemTime>,
}

impl Entry {
    pub(super) fn new(info: &CertificateInfo, name: String, file: PathBuf) -> Self {
        Self {
            serial: info.serial.clone(),
            kind: info.kind.to_string(),
            name,
            not_before: info.validity.not_before,
            not_after: info.validity.not_after,
            fingerprint: info.fingerprint.clone(),
            file,
            revoked: None,
        }
    }
}

impl Index {
    pub(super) fn new(crl_days: u32, above: Option<PathBuf>) -> Self {
        Self { version: VERSION, crl_number: 0, crl_days, above, issued: Vec::new() }
    }

    pub(super) fn read(path: &Path) -> Result<Self, DirectoryError> {
        let damaged = |reason: String| DirectoryError::Index { path: path.to_owned(), reason };
        let content = files::read(path, Secrecy::Public)?;
        let index: Self = serde_json::from_slice(&content).map_err(|error| {
            // The text of serde_json may quote the file, so it is not used.
            let what = if error.is_eof() { "it ends too early" } else { "it is not what was written" };
            damaged(format!("{what} (line {}, column {})", error.line(), error.column()))
        })?;
        if index.version != VERSION {
            return Err(damaged(format!("it is of version {}, this program knows {VERSION}", index.version)));
        }
        Ok(index)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), DirectoryError> {
        let json = serde_json::to_string_pretty(self);
        let json = json.map_err(|error| DirectoryError::Io(path.to_owned(), error.into()))?;
        files::replace(path, format!("{json}\n").as_bytes(), 0o600)
    }

    pub(super) fn find(&self, serial: &Serial) -> Option<&Entry> {
        self.issued.iter().find(|entry| entry.serial == *serial)
    }

    pub(super) fn find_mut(&mut self, serial: &Serial) -> Option<&mut Entry> {
        self.issued.iter_mut().find(|entry| entry.serial == *serial)
    }

    /// The certificates on a list that is made now. A revoked certificate stays until a list after its expiry was published. A
    /// certificate of the list before stays too if the index does not have its revocation.
    pub(super) fn revoked(&self, now: SystemTime, before: &[Revoked]) -> Vec<Revoked> {
        let shown_until = |entry: &Entry| entry.not_after + DAY * self.crl_days.saturating_add(1);
        let mine = self.issued.iter().filter_map(|entry| {
            let revoked = Revoked { serial: entry.serial.clone(), at: entry.revoked? };
            (shown_until(entry) >= now).then_some(revoked)
        });
        let lost = before.iter().filter(|revoked| {
            self.find(&revoked.serial)
                .is_none_or(|entry| entry.revoked.is_none() && shown_until(entry) >= now)
        });
        mine.chain(lost.cloned()).collect()
    }
}

/// Serial numbers in JSON.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Serial;

    pub(super) fn serialize<S: Serializer>(serial: &Serial, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(serial)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Serial, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: super::PkiError| D::Error::custom(error))
    }
}

/// Times in JSON: RFC 3339 with whole seconds.
mod moment {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(moment: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(*moment))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(D::Error::custom)
    }
}

/// Times in JSON that may be missing.
mod maybe_moment {
    use std::time::SystemTime;

    use serde::{Deserializer, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes it like this")]
    pub(super) fn serialize<S: Serializer>(
        moment: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => super::moment::serialize(moment, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        super::moment::deserialize(deserializer).map(Some)
    }
}
