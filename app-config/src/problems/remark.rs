//! Warnings and notes on a config that is accepted.

use std::fmt;

use super::{Expected, MAX_PROBLEMS, Problem, Problems};

/// A warning or a note on an accepted config. Prints one line such as `warning: crl: ..` or `note: caCert: ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// A part of the config will not do what its author expects.
    Warning(Problem),
    /// An explanation of what the config means.
    Note(Problem),
}

impl Remark {
    /// Whether it is a warning.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::Warning(_))
    }

    /// The field, and the text about it.
    #[must_use]
    pub fn subject(&self) -> &Problem {
        let (Self::Warning(subject) | Self::Note(subject)) = self;
        subject
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning() { "warning" } else { "note" };
        write!(f, "{kind}: {}", self.subject())
    }
}

impl Problems {
    /// Warnings and notes in the order in which they were added. There is a limit on their number, as on problems.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Removes the warnings and notes, and returns them.
    pub(crate) fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }

    pub(super) fn warn(&mut self, rule: impl Into<Expected>, in_full: impl fmt::Display) {
        if self.hides_values {
            self.remark(Remark::Warning, rule.into().0);
        } else {
            self.remark(Remark::Warning, in_full);
        }
    }

    pub(super) fn note(&mut self, in_full: impl fmt::Display) {
        if !self.hides_values {
            self.remark(Remark::Note, in_full);
        }
    }

    fn remark(&mut self, kind: fn(Problem) -> Remark, reason: impl fmt::Display) {
        if self.remarks.len() < MAX_PROBLEMS {
            let subject = self.here(reason);
            self.remarks.push(kind(subject));
        }
    }
}
