//! Metrics of services: which run, since when, how often they failed, and what they were built from.

use super::{Registrar, flag, raise, set};
use crate::{CounterVector, GaugeVector, MetricDoc};
use app_core::prelude::*;
use app_core::{APP_SERVICE, ServiceState, plugins::linked_services, status::ServiceStatus};
use std::time::SystemTime;

ids! {
    /// Whether every service runs and the application is not stopping: gauge, 1 or 0.
    pub APP_READY: MetricId = 0x632f_47b8_993a_d469, "app_ready";
    /// Whether each service runs: gauge vector, labels `service` (hex) and `name`, 1 or 0.
    pub SERVICE_UP: MetricId = 0xa9ad_f58c_ee4a_6143, "service_up";
    /// The state of each service: gauge vector, labels `service` (hex), `name` and `state`, 1 or 0.
    pub SERVICE_STATE: MetricId = 0x97e3_08f4_eb64_4119, "service_state";
    /// When each service began to run: gauge vector, labels `service` (hex) and `name`, seconds since 1970.
    pub SERVICE_START_TIME: MetricId = 0x1851_1658_1123_4b7d, "service_start_time";
    /// Duration of each service's start function: gauge vector, labels `service` (hex) and `name`, seconds.
    pub SERVICE_START_DURATION: MetricId = 0x002b_a4d6_5817_b62f, "service_start_duration";
    /// Restarts of each service: counter vector, labels `service` (hex) and `name`, restarts.
    pub SERVICE_RESTARTS: MetricId = 0x8d39_a82f_8d68_06be, "service_restarts";
    /// Number of the restart that is due or in progress, 0 for none: gauge vector, labels `service` (hex) and `name`.
    pub SERVICE_RESTART_ATTEMPT: MetricId = 0xb60a_6380_ccd1_855c, "service_restart_attempt";
    /// Failures of each service: counter vector, labels `service` (hex) and `name`, failures.
    pub SERVICE_DEATHS: MetricId = 0x8c4a_e2a3_5c98_9a43, "service_deaths";
    /// Planned stops of each service while the application ran: counter vector, labels `service` (hex) and `name`,
    /// stops.
    pub SERVICE_PLANNED_STOPS: MetricId = 0x8dd8_473c_de0f_32bd, "service_planned_stops";
    /// Unfinished tasks of each service: gauge vector, labels `service` (hex) and `name`, tasks.
    pub SERVICE_TASKS: MetricId = 0xe455_7020_dbb2_4817, "service_tasks";
    /// Package of each linked service: gauge vector, labels `service` (hex), `name`, `package` and `version`, always 1.
    pub SERVICE_INFO: MetricId = 0xb360_d682_8c2e_11e2, "service_info";
}

/// The labels of every metric of one service.
pub(super) const SERVICE_LABELS: &[(&str, &str)] =
    &[("service", "id of the service, in hexadecimal"), ("name", "its name")];

const READY: MetricDoc = MetricDoc::gauge(
    APP_SERVICE,
    APP_READY,
    "Whether every service runs and the application is not stopping.",
)
.unit("1 or 0")
.meaning(
    "`/readyz` also depends on critical health checks, and says why the application is not ready. `service_up` says which service does not run.",
)
.queries(&[
    ("Instances that are not ready", "METRIC == 0"),
    ("Share of the last day that each instance was ready", "avg_over_time(METRIC[1d])"),
]);

const UP: MetricDoc =
    MetricDoc::gauge_vector(APP_SERVICE, SERVICE_UP, "Whether the service runs.", SERVICE_LABELS)
        .unit("1 or 0")
        .meaning("It is 0 while the service starts and while it stops.")
        .queries(&[
            ("Services that do not run", "METRIC == 0"),
            ("Instances that run each service", "sum by (name) (METRIC)"),
        ]);

const STATE: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    SERVICE_STATE,
    "State of the service: 1 for its current state, 0 for the others.",
    &[
        ("service", "id of the service, in hexadecimal"),
        ("name", "its name"),
        ("state", "`registered`, `starting`, `running`, `stopping`, `stopped` or `failed`"),
    ],
)
.unit("1 or 0")
.meaning(
    "`stopped` means stopped on request. `failed` means ended by an error or a panic; the log record has the reason.",
)
.queries(&[("State of each service", "METRIC == 1"), ("Services that failed", "METRIC{state=\"failed\"} == 1")]);

const START_TIME: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    SERVICE_START_TIME,
    "When the service began to run, in seconds since 1970.",
    SERVICE_LABELS,
)
.unit("seconds since 1970")
.meaning("Absent before the first start. The uptime of a running service is the time since then.")
.queries(&[("Uptime in seconds", "time() - METRIC"), ("Starts in the last day", "changes(METRIC[1d])")]);

const START_DURATION: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    SERVICE_START_DURATION,
    "How long the service took to start, in seconds.",
    SERVICE_LABELS,
)
.unit("seconds")
.meaning("The run time of the start function in the last start, without the wait for dependencies.")
.queries(&[("The slowest starts", "topk(5, METRIC)")]);

const RESTARTS: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    SERVICE_RESTARTS,
    "Restarts of the service.",
    SERVICE_LABELS,
)
.unit("restarts")
.meaning(
    "All restarts count: successful or not, requested, and together with a dependency. For alerts use `service_deaths`.",
)
.queries(&[("Restarts in the last hour", "increase(METRIC[1h]) > 0")]);

const RESTART_ATTEMPT: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    SERVICE_RESTART_ATTEMPT,
    "Number of the restart that is due or in progress, within the window; 0 for none.",
    SERVICE_LABELS,
)
.unit("number of the restart")
.meaning("The restart policy limits the number; one failure more stops the application. Each restart waits twice as long as the one before.")
.queries(&[("Services that wait for a restart", "METRIC > 0")]);

const DEATHS: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    SERVICE_DEATHS,
    "Failures of the service.",
    SERVICE_LABELS,
)
.unit("deaths")
.meaning(
    "A task returned an error or panicked, or a restart failed. `service_planned_stops` counts stops on purpose. Neither counts the stop of the application.",
)
.queries(&[("Failures in the last hour", "increase(METRIC[1h]) > 0")]);

const PLANNED_STOPS: MetricDoc = MetricDoc::counter_vector(
    APP_SERVICE,
    SERVICE_PLANNED_STOPS,
    "Planned stops of the service while the application ran.",
    SERVICE_LABELS,
)
.unit("stops")
.meaning(
    "A restart or a kill was requested, or a dependency restarted or failed. These need no attention. The log record has the reason.",
)
.queries(&[("Planned stops in the last day", "increase(METRIC[1d]) > 0")]);

const TASKS: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    SERVICE_TASKS,
    "Tasks of the service, and of its parts, that have not finished.",
    SERVICE_LABELS,
)
.unit("tasks")
.meaning("A number that keeps growing is a leak. A stack dump names the tasks.")
.queries(&[("Growth in the last hour", "delta(METRIC[1h])")]);

const INFO: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    SERVICE_INFO,
    "Package and version of the service: always 1.",
    &[
        ("service", "id of the service, in hexadecimal"),
        ("name", "its name"),
        ("package", "the package that it was built from"),
        ("version", "the version of the package"),
    ],
)
.unit("1")
.meaning("Every linked service has one series.")
.queries(&[("Instances by version", "count by (name, version) (METRIC)")]);

crate::document! { READY, UP, STATE, START_TIME, START_DURATION, RESTARTS, RESTART_ATTEMPT, DEATHS, PLANNED_STOPS, TASKS, INFO }

const STATES: [ServiceState; 6] = [
    ServiceState::Registered,
    ServiceState::Starting,
    ServiceState::Running,
    ServiceState::Stopping,
    ServiceState::Stopped,
    ServiceState::Failed,
];

/// The metrics of services.
#[derive(Debug)]
pub(super) struct Services {
    ready: crate::Gauge,
    up: GaugeVector,
    state: GaugeVector,
    start_time: GaugeVector,
    start_duration: GaugeVector,
    restarts: CounterVector,
    restart_attempt: GaugeVector,
    deaths: CounterVector,
    planned_stops: CounterVector,
    tasks: GaugeVector,
}

impl Services {
    pub(super) fn register(registrar: &Registrar<'_>) -> Result<Self, Error> {
        let info = registrar.gauges(&INFO)?;
        for service in linked_services() {
            let (id, origin) = (service.id().hex(), service.origin());
            info.with([&id, service.name(), origin.package, origin.version])?.set(1.0);
        }
        Ok(Self {
            ready: registrar.gauge(&READY)?,
            up: registrar.gauges(&UP)?,
            state: registrar.gauges(&STATE)?,
            start_time: registrar.gauges(&START_TIME)?,
            start_duration: registrar.gauges(&START_DURATION)?,
            restarts: registrar.counters(&RESTARTS)?,
            restart_attempt: registrar.gauges(&RESTART_ATTEMPT)?,
            deaths: registrar.counters(&DEATHS)?,
            planned_stops: registrar.counters(&PLANNED_STOPS)?,
            tasks: registrar.gauges(&TASKS)?,
        })
    }

    pub(super) fn update(&self, app: &App) {
        self.ready.set(flag(app.readiness().ready()));
        for status in app.service_statuses() {
            self.update_service(&status);
        }
    }

    fn update_service(&self, status: &ServiceStatus) {
        let id = status.id.hex();
        let labels = [id.as_str(), status.name.as_str()];
        set(&self.up, labels, flag(status.state == ServiceState::Running));
        for state in STATES {
            set(&self.state, [labels[0], labels[1], state.as_str()], flag(state == status.state));
        }
        let since = status.started_on.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        if let Some(since) = since {
            set(&self.start_time, labels, since.as_secs_f64());
        }
        if let Some(took) = status.start_took {
            set(&self.start_duration, labels, took.as_secs_f64());
        }
        raise(&self.restarts, labels, status.restarts);
        set(
            &self.restart_attempt,
            labels,
            f64::from(status.restarting.map_or(0, |restarting| restarting.attempt)),
        );
        raise(&self.deaths, labels, status.deaths);
        raise(&self.planned_stops, labels, status.planned_stops);
        set(&self.tasks, labels, status.tasks as f64);
    }
}
