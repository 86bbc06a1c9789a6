//! The graph of services: who needs whom, for people and for Graphviz.

mod along;
mod dot;
mod subcommand;
mod tree;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use app_errors::Error;
use app_ids::ServiceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{App, ServiceDescriptor, ServiceStatus, graph::Plan, spec::ServiceSpec};

pub use self::tree::TreeLine;

/// Services and their dependencies, in start order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ServiceGraph {
    /// The services: dependencies before dependents.
    pub services: Vec<GraphService>,
}

/// A service in a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct GraphService {
    /// Its id as `0x..`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `registered`, `starting`, `running`, `stopping`, `stopped` or `failed`; `null` if the application does not run.
    pub state: Option<String>,
    /// Why it was killed, if it was.
    pub reason: Option<String>,
    /// The ids of the services that it needs, and of those that it takes if they are there.
    pub needs: Vec<String>,
    /// The ids of the services that it does not name and that start before it all the same: the infrastructure.
    pub rests_on: Vec<String>,
    /// Its start level, from 0 on. Services of one level start in parallel.
    pub level: u32,
    /// Whether all services without this mark depend on it.
    pub infrastructure: bool,
    /// Whether it is a part of the platform.
    pub platform: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// When its start function was last called, in milliseconds since 1970 (UTC).
    pub start_began_millis: Option<u64>,
    /// How long its start function ran when it last started, in milliseconds.
    pub start_millis: Option<u64>,
}

impl ServiceGraph {
    /// The graph of the services that are linked into this program. Nothing runs.
    ///
    /// # Errors
    /// Every duplicate, every missing dependency, or one cycle: each is an error of its own, as a start reports it.
    pub fn linked() -> Result<Self, Vec<Error>> {
        Self::planned(crate::linked_services())
    }

    fn planned(services: Vec<ServiceDescriptor>) -> Result<Self, Vec<Error>> {
        let plan = Plan::new(services)?;
        let specs = plan.services().iter().map(|service| (service.id(), service.spec())).collect();
        Ok(Self::build(&plan.edges(), &specs, &BTreeMap::new()))
    }

    /// The graph of the services that an app is made of, with their states.
    ///
    /// ```
    /// use app_core::{prelude::*, service_graph::ServiceGraph, testing::{TestApp, runs}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
    /// let graph = ServiceGraph::of(&app);
    /// assert_eq!(graph.services[0].state.as_deref(), Some("running"));
    /// assert_eq!(graph.text(), "seven (0x7)  running\n");
    /// # app.stop().await.expect_clean();
    /// # }
    /// ```
    #[must_use]
    pub fn of(app: &App) -> Self {
        let specs: BTreeMap<_, _> =
            app.service_specs().iter().map(|spec| (spec.id(), spec.clone())).collect();
        let statuses = app.service_statuses().into_iter().map(|status| (status.id, status)).collect();
        Self::build(&app.host().lifecycle.edges(), &specs, &statuses)
    }

    /// `edges` has the services in start order, each with its level and all dependencies.
    fn build(
        edges: &[(ServiceId, u32, Vec<ServiceId>)],
        specs: &BTreeMap<ServiceId, ServiceSpec>,
        statuses: &BTreeMap<ServiceId, ServiceStatus>,
    ) -> Self {
        let node = |(id, level, all): &(ServiceId, u32, Vec<ServiceId>)| {
            let (spec, status) = (specs.get(id)?, statuses.get(id));
            let named = |need: &&ServiceId| spec.needs().contains(need) || spec.wants.contains(need);
            let (needs, rests_on): (Vec<&ServiceId>, Vec<_>) = all.iter().partition(named);
            let hex = |ids: Vec<&ServiceId>| ids.into_iter().map(|id| format!("{id:#x}")).collect();
            Some(GraphService {
                id: format!("{id:#x}"),
                name: spec.name().to_owned(),
                state: status.map(|status| status.state.to_string()),
                reason: status.and_then(|status| status.reason.clone()),
                needs: hex(needs),
                rests_on: hex(rests_on),
                level: *level,
                infrastructure: spec.is_infrastructure(),
                platform: spec.is_platform(),
                restarts: status.map_or(0, |status| status.restarts),
                start_began_millis: status.and_then(|status| status.start_began).map(millis_of),
                start_millis: status
                    .and_then(|status| status.start_took)
                    .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            })
        };
        Self { services: edges.iter().filter_map(node).collect() }
    }
}

/// Milliseconds since 1970; 0 before that.
fn millis_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
