//! A config that follows its file while the service runs.

use std::fmt;

use app_core::prelude::{Error, Param, Service, ServiceId};
use app_core::{Planned, StartContext};
use tokio::sync::watch;

use crate::config::Config;
use crate::configured::Configured;
use crate::reload::Loaded;
use crate::schema;
use crate::service::{CONFIG_SERVICE_ID, Configs};

/// The config of type `C`, now and after each reload: a service that takes it in place of [`Configured`] declares itself
/// reloadable. Cheap to clone; each clone sees every change.
///
/// Files are read again when they have changed, seconds later: replaced, written in place, or swapped together with the directory
/// that they are in, as Kubernetes does it. All are read at once on SIGHUP and [`App::reload`](app_core::App::reload). Either way a
/// new value was read and validated whole before anybody gets it.
///
/// | what happened | the service takes [`LiveConfig`] | it takes [`Configured`] |
/// |---|---|---|
/// | another good value is in the file | it gets it | the log says that the next start will |
/// | what is in the file is refused | the old value stays; an error is logged | an error is logged: the next start will be refused |
/// | the file was removed | as one that is refused: an accident must not switch a limit or a lock off | the log says that the next start will have the default |
/// | a file came where there was none | as another good value, or as one that is refused | likewise |
/// | the file was touched, copied, or sealed anew, with the same in it | nothing | nothing |
///
/// An error is logged once for each change, and shown by [`Configs::reload_statuses`] and a metric until it is mended. A file that
/// is seen half-written is refused, and read again when it is whole. Identities are read again too when they have changed, before
/// the files that they open; if they are refused, those from before stay.
///
/// ```
/// # use app_config::{Config, LiveConfig, Problems};
/// # use app_core::prelude::*;
/// # struct QuotaConfig { rules: Vec<String> }
/// # impl Config for QuotaConfig {
/// #     const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);
/// #     type Schema = schema::quota_capnp::quota_spec::Owned;
/// #     fn read(_: schema::quota_capnp::quota_spec::Reader<'_>, _: &mut Problems) -> Option<Self> { None }
/// #     fn default() -> Self { Self { rules: Vec::new() } }
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

    /// Waits for a value that this one has not given yet, the first not counted; `None` once the service that follows it, or
    /// the config service, is killed. Of several that came in the meantime it is the last. Cancel safe.
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

impl<C: Config> Param for LiveConfig<C> {
    fn needs() -> Vec<ServiceId> {
        vec![CONFIG_SERVICE_ID]
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        schema::expect::<C>(planned)
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        let taken = context.handle::<Configs>()?.take_for_start::<C>(context)?;
        Ok(Self::new(taken.values.subscribe(), context.service().clone()))
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
