//! The services of an app with their functions, which the host of the app does not know.

use std::{path::PathBuf, sync::Arc};

use app_ids::ServiceId;
use futures_util::{FutureExt, future::BoxFuture};

use super::start;
use crate::{
    Log, ServiceDescriptor, StopReport,
    graph::Plan,
    handover::Handover,
    listeners::Listeners,
    service::{Host, Lifecycle, Operator, Settings},
    spec::ServiceSpec,
};

/// The services of an app.
#[derive(Clone)]
pub(crate) struct Descriptors {
    services: Arc<[ServiceDescriptor]>,
    /// Whether they are all services that are linked into the program.
    linked: bool,
}

impl Descriptors {
    /// Services that the caller chose.
    pub(crate) fn given(services: Vec<ServiceDescriptor>) -> Self {
        Self { services: services.into(), linked: false }
    }

    /// All services that are linked into the program.
    pub(crate) fn linked(services: Vec<ServiceDescriptor>) -> Self {
        Self { services: services.into(), linked: true }
    }

    /// The facts about the services.
    pub(crate) fn specs(&self) -> Vec<ServiceSpec> {
        self.services.iter().map(ServiceDescriptor::spec).collect()
    }

    /// The host of an app of these services.
    pub(crate) fn host(
        self,
        settings: Settings,
        log: Log,
        listeners: Listeners,
        handover: Option<Handover>,
    ) -> Arc<Host> {
        Arc::new(Host::new(settings, log, listeners, handover, Box::new(self)))
    }
}

impl Lifecycle for Descriptors {
    fn start(&self, host: Arc<Host>) -> BoxFuture<'static, Result<(), StopReport>> {
        let Self { services, linked } = self.clone();
        async move { start::start(&host.into(), services, linked).await }.boxed()
    }

    fn edges(&self) -> Vec<(ServiceId, u32, Vec<ServiceId>)> {
        Plan::new(self.services.to_vec()).map(|plan| plan.edges()).unwrap_or_default()
    }

    fn remake(&self, host: &Host, config_dir: PathBuf) -> Arc<Host> {
        let Settings { identity, flags, package, provided, any_port, stop_timeout, .. } = &host.settings;
        let mut flags = flags.clone();
        flags.config_dir = config_dir;
        let settings = Settings {
            identity: *identity,
            flags,
            package: package.clone(),
            provided: provided.clone(),
            services: self.specs(),
            any_port: *any_port,
            stop_timeout: *stop_timeout,
        };
        Self::given(self.services.to_vec()).host(settings, host.log.clone(), Listeners::default(), None)
    }

    fn operator(&self) -> &dyn Operator {
        self
    }
}
