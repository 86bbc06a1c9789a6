//! A config that follows its file while the service runs.

use std::fmt;

use app_core::prelude::Service;
use tokio::sync::watch;

use super::configured::Configured;
use super::loaded::Loaded;

/// The config of type `C`, now and after each reload. A parameter of start functions. Cheap to clone; each clone sees every
/// change.
///
/// A service that takes it in place of [`Configured`] is reloadable. A changed file is read again within seconds. It may be
/// replaced, written in place, or swapped together with its directory, as Kubernetes does. SIGHUP and
/// [`App::reload`](app_core::App::reload) read all files at once. Every new value is read and validated before the service gets it.
///
/// | what happened | the service takes [`LiveConfig`] | the service takes [`Configured`] |
/// |---|---|---|
/// | the file has another good value | it gets the value | the log says that the next start gets it |
/// | the file is refused | the old value stays, and an error is logged | an error is logged: the next start will be refused |
/// | the file was removed | the old value stays, and an error is logged: an accident must not disable a limit or a lock | an error is logged: the next start gets the default |
/// | a file was added | the same as another good value, or a refused one | the same |
/// | the file was touched, copied or sealed again, with the same content | nothing | nothing |
///
/// An error is logged once for each change. [`Configs::reload_statuses`](crate::Configs::reload_statuses) and a metric show it
/// until the file is good. A file that is read half-written is refused, and read again when it is whole. Changed identities are
/// read again too, before the files that they open. If the new identities are refused, the earlier ones stay.
///
/// ```
/// # use app_config::{Config, LiveConfig, Problems};
/// # use app_core::prelude::*;
/// # struct QuotaConfig { rules: Vec<String> }
/// # impl Config for QuotaConfig {
/// #     const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
/// #     type Schema = quota_schema::quota_capnp::quota_spec::Owned;
/// #     fn read(_: quota_schema::quota_capnp::quota_spec::Reader<'_>, _: &mut Problems) -> Option<Self> { None }
/// #     fn without_file() -> Self { Self { rules: Vec::new() } }
/// # }
/// async fn start(service: Service, mut config: LiveConfig<QuotaConfig>) -> Result<(), Error> {
///     info!(service.log(), "{} rules", config.current().rules.len());
///     let log = service.log().clone();
///     // Ends with the service.
///     service.spawn("reload", async move {
///         while let Some(config) = config.changed().await {
///             info!(log, "now {} rules", config.rules.len());
///         }
///     })
/// }
/// ```
pub struct LiveConfig<C> {
    values: watch::Receiver<Loaded<C>>,
    service: Service,
}

impl<C> LiveConfig<C> {
    pub(crate) fn new(values: watch::Receiver<Loaded<C>>, service: Service) -> Self {
        Self { values, service }
    }

    /// The value in effect.
    #[must_use]
    pub fn current(&self) -> Configured<C> {
        self.values.borrow().config.clone()
    }

    /// Waits for the next new value. If there were several new values since the last call, you get the latest one. The value of the
    /// start does not count as new.
    ///
    /// `None` when the service that follows the config is killed.
    ///
    /// # Cancel safety
    /// Cancel safe: a cancelled call loses no value.
    pub async fn changed(&mut self) -> Option<Configured<C>> {
        tokio::select! {
            biased;
            () = self.service.dying() => None,
            changed = self.values.changed() => {
                changed.ok()?;
                Some(self.values.borrow_and_update().config.clone())
            }
        }
    }
}

impl<C> Clone for LiveConfig<C> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), service: self.service.clone() }
    }
}

impl<C: fmt::Debug> fmt::Debug for LiveConfig<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveConfig").field("current", &self.values.borrow().config).finish_non_exhaustive()
    }
}
