//! Errors that leave the process: with where they came from.

use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use serde_json::{Value, json};

use crate::Error;

/// Where errors come from. An error does not know; whoever reports it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The domain of the application.
    pub domain: DomainId,
    /// The application.
    pub app: AppId,
    /// Its release.
    pub release: ReleaseId,
    /// The run of it.
    pub instance: InstanceId,
    /// The process.
    pub pid: u32,
    /// The host's name.
    pub host: String,
}

/// An error and where it came from: what a central place needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What happened.
    pub error: &'a Error,
    /// Where.
    pub origin: &'a Origin,
}

impl Report<'_> {
    /// The error's JSON ([`Error::to_json`]), and beside its keys `domain`, `app`, `release` and `instance`
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
