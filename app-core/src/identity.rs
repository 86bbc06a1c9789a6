//! Who this process is: the ids that every log record, metric and error report carries.

use app_ids::{AppId, DomainId, InstanceId, ReleaseId};

/// The ids of one running instance of an application.
///
/// Domain, application and release come from flags and are zero when not given; the instance id is
/// new in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The domain that the application belongs to.
    pub domain: DomainId,
    /// The application.
    pub app: AppId,
    /// The release of the application.
    pub release: ReleaseId,
    /// This very instance.
    pub instance: InstanceId,
}

impl Identity {
    /// The ids of a new instance.
    ///
    /// ```
    /// use app_core::Identity;
    ///
    /// let identity = Identity::new(0xd0.into(), 0xa0.into(), 0x10.into());
    /// assert_ne!(identity.instance, Identity::new(0xd0.into(), 0xa0.into(), 0x10.into()).instance);
    /// ```
    #[must_use]
    pub fn new(domain: DomainId, app: AppId, release: ReleaseId) -> Self {
        Self { domain, app, release, instance: InstanceId::random() }
    }
}
