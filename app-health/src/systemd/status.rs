//! The line that `systemctl status` shows for the app.

use std::collections::BTreeMap;

use app_config::Configs;
use app_core::{App, ServiceState, duration::counted};

use crate::{one_line::one_line, probes};

/// The app's readiness and its status line.
pub(crate) struct StatusSummary {
    /// Whether `/readyz` says yes.
    pub(crate) ready: bool,
    /// Whether a service has never run. A service that is being restarted does not count.
    pub(crate) starting: bool,
    /// One line of bounded length.
    pub(crate) status: String,
}

impl StatusSummary {
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
        for (kind, services) in stale(configs) {
            status += &format!("; config {kind}, the old one stays: {}", services.join(", "));
        }
        Self { ready, starting, status: one_line(&status) }
    }
}

/// The services with an older config than their file should have, by what is wrong with the file.
fn stale(configs: &Configs) -> BTreeMap<&'static str, Vec<String>> {
    let mut services: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for status in configs.reload_statuses() {
        if let Some(stale) = &status.stale {
            services.entry(stale.kind.as_str()).or_default().push(status.service.describe().to_string());
        }
    }
    services
}
