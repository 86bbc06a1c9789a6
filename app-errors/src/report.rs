//! Errors that leave the process, with their origin.

use serde_json::{Value, json};

use crate::{Error, ErrorOrigin};

/// An error with its origin, for a central store of errors.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorReport<'a> {
    /// The error.
    pub error: &'a Error,
    /// The process that it comes from.
    pub origin: &'a ErrorOrigin,
}

impl<'a> ErrorReport<'a> {
    /// A report of `error`.
    #[must_use]
    pub fn new(error: &'a Error, origin: &'a ErrorOrigin) -> Self {
        Self { error, origin }
    }

    /// The JSON of the error ([`Error::to_json`]) with six more keys: `domain`, `app`, `release` and `instance`
    /// (hexadecimal), `pid` (a number) and `host`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut report = self.error.to_json();
        report["domain"] = json!(self.origin.domain);
        report["app"] = json!(self.origin.app);
        report["release"] = json!(self.origin.release);
        report["instance"] = json!(self.origin.instance);
        report["pid"] = json!(self.origin.pid);
        report["host"] = json!(self.origin.host);
        report
    }
}

#[cfg(test)]
mod tests;
