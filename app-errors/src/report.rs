//! Errors that leave the process, with their origin.

use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use serde_json::{Value, json};

use crate::Error;

/// The process that errors come from. An error itself does not know its process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorOrigin {
    /// The domain of the application.
    pub domain: DomainId,
    /// The application.
    pub app: AppId,
    /// The release of the application.
    pub release: ReleaseId,
    /// The instance of the application: this process.
    pub instance: InstanceId,
    /// The process id.
    pub pid: u32,
    /// The host name.
    pub host: String,
}

impl ErrorOrigin {
    /// An origin from its parts.
    #[must_use]
    pub fn new(
        domain: DomainId,
        app: AppId,
        release: ReleaseId,
        instance: InstanceId,
        pid: u32,
        host: String,
    ) -> Self {
        Self { domain, app, release, instance, pid, host }
    }
}

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
