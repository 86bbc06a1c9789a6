//! A config that does not change while its service runs.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::problems::Problems;

/// The config of type `C`, read and validated. A parameter of start functions. Cheap to clone.
///
/// ```
/// # use app_config::{Config, Configured, Problems};
/// # use app_core::prelude::*;
/// # struct QuotaConfig { rules: Vec<String> }
/// # impl Config for QuotaConfig {
/// #     const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
/// #     type Schema = quota_schema::quota_capnp::quota_spec::Owned;
/// #     fn read(_: quota_schema::quota_capnp::quota_spec::Reader<'_>, _: &mut Problems) -> Option<Self> { None }
/// #     fn without_file() -> Self { Self { rules: Vec::new() } }
/// # }
/// async fn start(service: Service, config: Configured<QuotaConfig>) -> Result<(), Error> {
///     info!(service.log(), "{} rules", config.rules.len(); "from_file" => config.from_file());
///     Ok(())
/// }
/// ```
pub struct Configured<C> {
    value: Arc<C>,
    from_file: bool,
    sealed: bool,
}

impl<C> Configured<C> {
    /// Makes a config in code, for tests of functions that take one.
    #[must_use]
    pub fn new(value: C, from_file: bool) -> Self {
        Self { value: Arc::new(value), from_file, sealed: false }
    }

    /// A config from a file.
    pub(crate) fn of_file(value: C, sealed: bool) -> Self {
        Self { value: Arc::new(value), from_file: true, sealed }
    }

    /// Whether it comes from a file; otherwise it is the default.
    #[must_use]
    pub fn from_file(&self) -> bool {
        self.from_file
    }

    /// Whether it comes from a sealed file. Then keep its values out of log records, errors and answers to clients, unless a value
    /// is meant to be public.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Collects problems that are found after the config was read. They hide values if it is sealed.
    #[must_use]
    pub fn problems(&self) -> Problems {
        Problems::of_source(self.sealed)
    }
}

impl<C> Deref for Configured<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.value
    }
}

impl<C> Clone for Configured<C> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

impl<C: fmt::Debug> fmt::Debug for Configured<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Configured");
        if self.sealed {
            shown.field("value", &format_args!("(sealed)"));
        } else {
            shown.field("value", &self.value);
        }
        shown.field("from_file", &self.from_file).finish()
    }
}
