//! The process that errors come from.

use app_ids::{AppId, DomainId, InstanceId, ReleaseId};

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
