//! The line that `systemctl status` shows of the app.

use app_config::Configs;
use app_core::{App, ServiceState, counted};
use app_ids::ServiceId;

use crate::{one_line::one_line, probes};

/// How far the app is.
pub(crate) struct Standing {
    /// What `/readyz` says.
    pub(crate) ready: bool,
    /// Whether there are services that have never run yet; one that is restarted is not starting.
    pub(crate) starting: bool,
    /// One line of bounded length.
    pub(crate) status: String,
}

impl Standing {
    pub(crate) fn of(app: &App, configs: &Configs) -> Self {
        let services = app.service_statuses();
        let (all, running) = (
            services.len(),
            services.iter().filter(|service| service.state == ServiceState::Running).count(),
        );
        let starting = app.alive() && services.iter().any(|service| service.started_on.is_none());
        let readiness = probes::readiness(app);
        let ready = readiness.ready();
        let mut status = match app.cause() {
            Some(cause) => format!("stopping: {cause}"),
            None if ready => format!("{}, ready", counted(all as u64, "service")),
            None if starting => format!("starting: {running} of {} run", counted(all as u64, "service")),
            None => format!("not ready: {}", readiness.reasons.join("; ")),
        };
        let refused = refused(configs);
        if !refused.is_empty() {
            status += &format!("; config refused, the old one stays: {}", refused.join(", "));
        }
        Self { ready, starting, status: one_line(&status) }
    }
}

fn refused(configs: &Configs) -> Vec<String> {
    let statuses = configs.reload_statuses();
    let refused = statuses.iter().filter(|status| status.refused).map(|status| status.service);
    refused.map(|service: ServiceId| service.describe().to_string()).collect()
}
