//! Files that turned bad while the application runs: the value in effect is older than the file.

use std::time::SystemTime;

use crate::configs::load::LoadError;
use crate::file::Located;
use crate::sealing::IdentityError;

/// Why a value in effect is older than its file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleConfig {
    /// What is wrong with the file.
    pub kind: StaleKind,
    /// Since when.
    pub since: SystemTime,
    /// The error, with the name of the file. It repeats no value of a sealed config.
    pub reason: String,
}

/// What is wrong with a file whose config is in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaleKind {
    /// The file was refused. A new process would not start.
    Refused,
    /// The file is gone. A new process would start on the defaults.
    Gone,
    /// The machine could not read the file. The platform tries again.
    Unread,
}

impl StaleKind {
    pub(in crate::configs) fn of(error: &Located<LoadError>) -> Self {
        match error.error() {
            LoadError::Removed => Self::Gone,
            _ if error.is_of_machine() => Self::Unread,
            _ => Self::Refused,
        }
    }

    pub(super) fn of_identities(error: &Located<IdentityError>) -> Self {
        if error.is_of_machine() { Self::Unread } else { Self::Refused }
    }

    /// The kind in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Unread => "unread",
        }
    }
}

/// Records an error, or that there is none any more. True if the error is new.
pub(super) fn note(stale: &mut Option<StaleConfig>, error: Option<(StaleKind, String)>) -> bool {
    let Some((kind, reason)) = error else {
        *stale = None;
        return false;
    };
    match stale {
        Some(known) if known.kind == kind => std::mem::replace(&mut known.reason, reason) != known.reason,
        _ => {
            *stale = Some(StaleConfig { kind, since: SystemTime::now(), reason });
            true
        }
    }
}

impl StaleConfig {
    /// What is wrong with `what`, and what is in effect, in one line for people.
    pub(super) fn note(&self, what: &str) -> String {
        let Self { kind, since, reason } = self;
        let since = humantime::format_rfc3339_seconds(*since);
        match kind {
            StaleKind::Refused => {
                format!("{what} is refused since {since}, the last good config stays in effect: {reason}")
            }
            StaleKind::Gone => format!(
                "{what} is from a file that is gone since {since}, and stays in effect until the process ends: {reason}"
            ),
            StaleKind::Unread => format!(
                "{what} could not be read since {since}, it is tried again and the last good config stays in effect: {reason}"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
