//! The kinds of ids.

/// The kind of an id. Ids of two kinds may have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IdKind {
    /// The kind of a [`DomainId`](crate::DomainId).
    Domain,
    /// The kind of an [`AppId`](crate::AppId).
    App,
    /// The kind of a [`ReleaseId`](crate::ReleaseId).
    Release,
    /// The kind of an [`InstanceId`](crate::InstanceId).
    Instance,
    /// The kind of a [`ServiceId`](crate::ServiceId).
    Service,
    /// The kind of an [`ErrorId`](crate::ErrorId).
    Error,
    /// The kind of a [`LogEventId`](crate::LogEventId).
    LogEvent,
    /// The kind of a [`MetricId`](crate::MetricId).
    Metric,
    /// The kind of a [`HealthCheckId`](crate::HealthCheckId).
    HealthCheck,
    /// The kind of a [`MessageId`](crate::MessageId).
    Message,
    /// The kind of a [`StreamId`](crate::StreamId).
    Stream,
    /// The kind of a [`BucketId`](crate::BucketId).
    Bucket,
}

impl IdKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Domain,
        Self::App,
        Self::Release,
        Self::Instance,
        Self::Service,
        Self::Error,
        Self::LogEvent,
        Self::Metric,
        Self::HealthCheck,
        Self::Message,
        Self::Stream,
        Self::Bucket,
    ];

    /// The name of the kind for people, such as `service id`.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Domain => "domain id",
            Self::App => "app id",
            Self::Release => "release id",
            Self::Instance => "instance id",
            Self::Service => "service id",
            Self::Error => "error id",
            Self::LogEvent => "log event id",
            Self::Metric => "metric id",
            Self::HealthCheck => "health check id",
            Self::Message => "message id",
            Self::Stream => "stream id",
            Self::Bucket => "bucket id",
        }
    }
}
