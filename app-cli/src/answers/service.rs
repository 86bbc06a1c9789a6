//! Services of an app.

use capnp::struct_list;
use schema::admin_capnp::{ServiceState, service_info};
use serde::Serialize;

use super::level::Level;
use super::{elements, some_text, text};
use crate::output::{Hex, Moment, seconds};

/// A service in any state.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Service {
    pub(crate) id: Hex,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) reason: Option<String>,
    pub(crate) restarts: u64,
    pub(crate) deaths: u64,
    pub(crate) planned_stops: u64,
    pub(crate) restart_policy: Option<String>,
    pub(crate) restarting: bool,
    pub(crate) last_failure: Option<String>,
    pub(crate) last_failure_at: Option<Moment>,
    pub(crate) uptime_seconds: Option<f64>,
    #[serde(skip)]
    pub(crate) uptime_millis: u64,
    pub(crate) start_seconds: f64,
    #[serde(skip)]
    pub(crate) start_millis: u64,
    pub(crate) tasks: u32,
    pub(crate) level: Level,
    pub(crate) needs: Vec<Hex>,
    pub(crate) config_note: Option<String>,
}

impl Service {
    pub(crate) fn all(list: struct_list::Reader<'_, service_info::Owned>) -> capnp::Result<Vec<Self>> {
        elements(list, Self::of)
    }

    fn of(info: service_info::Reader<'_>) -> capnp::Result<Self> {
        let state = match info.get_state() {
            Ok(ServiceState::Registered) => "registered",
            Ok(ServiceState::Starting) => "starting",
            Ok(ServiceState::Running) => "running",
            Ok(ServiceState::Stopping) => "stopping",
            Ok(ServiceState::Stopped) => "stopped",
            Ok(ServiceState::Failed) => "failed",
            Err(_) => "unknown",
        };
        let uptime = info.get_uptime_millis();
        Ok(Self {
            id: Hex(info.get_service_id()),
            name: text(info.get_name())?,
            state,
            reason: some_text(info.get_reason())?,
            restarts: info.get_restarts(),
            deaths: info.get_deaths(),
            planned_stops: info.get_planned_stops(),
            restart_policy: some_text(info.get_restart_policy())?,
            restarting: info.get_restarting(),
            last_failure: some_text(info.get_last_failure())?,
            last_failure_at: Moment::known(info.get_last_failure_on_millis()),
            uptime_seconds: (uptime > 0).then(|| seconds(uptime)),
            uptime_millis: uptime,
            start_seconds: seconds(info.get_start_millis()),
            start_millis: info.get_start_millis(),
            tasks: info.get_tasks(),
            level: Level::of(info.get_level()),
            needs: elements(info.get_needs()?, |id| Ok(Hex(id)))?,
            config_note: some_text(info.get_config_note())?,
        })
    }
}
