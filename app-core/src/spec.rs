//! The facts about a service that an app is made of: data without functions.

use std::{borrow::Cow, fmt, time::Duration};

use app_ids::ServiceId;

use crate::Restart;

/// How long a killed service may take to finish its tasks, unless its descriptor says otherwise.
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a descriptor was written, for messages about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Cargo package.
    pub package: &'static str,
    /// Version of that package.
    pub version: &'static str,
    /// Source file.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
}

impl Origin {
    /// The place in a package.
    #[must_use]
    pub const fn new(package: &'static str, version: &'static str, file: &'static str, line: u32) -> Self {
        Self { package, version, file, line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.package, self.file, self.line)
    }
}

/// The facts about a service that an app is made of. [`App::service_specs`](crate::App::service_specs) lists them.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub(crate) id: ServiceId,
    pub(crate) name: Cow<'static, str>,
    pub(crate) needs: Vec<ServiceId>,
    /// The services that start before it if they are linked.
    pub(crate) wants: Vec<ServiceId>,
    pub(crate) origin: Origin,
    pub(crate) infrastructure: bool,
    pub(crate) platform: bool,
    pub(crate) restart: Restart,
}

impl ServiceSpec {
    /// The service's id.
    #[must_use]
    pub const fn id(&self) -> ServiceId {
        self.id
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The services that it needs.
    #[must_use]
    pub fn needs(&self) -> &[ServiceId] {
        &self.needs
    }

    /// Where its descriptor was written.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether all services without this mark depend on it.
    #[must_use]
    pub const fn is_infrastructure(&self) -> bool {
        self.infrastructure
    }

    /// Whether it is a part of the platform. Infrastructure always is.
    #[must_use]
    pub const fn is_platform(&self) -> bool {
        self.platform || self.infrastructure
    }

    /// The restart policy of its descriptor.
    #[must_use]
    pub const fn restart_policy(&self) -> Restart {
        self.restart
    }
}

/// The [`Origin`] of the code that calls it.
#[doc(hidden)]
#[macro_export]
macro_rules! __origin {
    () => {
        $crate::__private::Origin::new(
            ::std::env!("CARGO_PKG_NAME"),
            ::std::env!("CARGO_PKG_VERSION"),
            ::std::file!(),
            ::std::line!(),
        )
    };
}
