//! Configs that went bad while the application runs: the value in effect is older than the file.

use std::time::SystemTime;

use super::in_use::ReloadStatus;
use crate::fault::{Fault, IDENTITIES, Reason, label};

/// Why a value in effect is older than its file should have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleConfig {
    /// What is the matter with the file.
    pub kind: StaleKind,
    /// Since when.
    pub since: SystemTime,
    /// What is wrong, with the name of the file. It repeats no value of a sealed config.
    pub reason: String,
}

/// What is the matter with a file whose config is in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StaleKind {
    /// What is in the file was refused. A new process would refuse to start.
    Refused,
    /// The file is gone. A new process would start on the defaults.
    Gone,
    /// The machine could not read the file now. It is tried again.
    Unread,
}

impl StaleKind {
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault.reason() {
            Reason::Removed => Self::Gone,
            _ if fault.is_of_machine() => Self::Unread,
            _ => Self::Refused,
        }
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

/// Notes a fault, or that there is none any more. Whether it is news: a fault that was not known.
pub(super) fn note(stale: &mut Option<StaleConfig>, fault: Option<&Fault>) -> bool {
    let Some(fault) = fault else {
        *stale = None;
        return false;
    };
    let (kind, reason) = (StaleKind::of(fault), fault.to_string());
    match stale {
        Some(known) if known.kind == kind => std::mem::replace(&mut known.reason, reason) != known.reason,
        _ => {
            *stale = Some(StaleConfig { kind, since: SystemTime::now(), reason });
            true
        }
    }
}

impl StaleConfig {
    /// What is the matter with `what`, and what is in effect, in one line for people.
    fn note(&self, what: &str) -> String {
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

    /// The line about the identities.
    pub(super) fn identities_note(&self) -> String {
        self.note(IDENTITIES)
    }
}

impl ReloadStatus {
    /// What is the matter with the config, in one line for people; `None` while its file is good.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.stale.as_ref().map(|stale| stale.note(&label(self.service)))
    }

    /// Whether the file is in this state.
    #[must_use]
    pub fn is(&self, kind: StaleKind) -> bool {
        self.stale.as_ref().is_some_and(|stale| stale.kind == kind)
    }
}

#[cfg(test)]
mod tests;
