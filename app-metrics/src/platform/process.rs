//! What the metrics of the process are: under the names that every client library of Prometheus gives them.
//!
//! They are read in `exposition/process.rs`.

use crate::{Kind, MetricDoc};

const CPU: MetricDoc = MetricDoc::given(
    "process_cpu_seconds_total",
    Kind::Counter,
    "Total user and system CPU time spent in seconds.",
)
.unit("seconds")
.meaning("Its rate is the number of processors in use.")
.queries(&[("Processors in use", "rate(METRIC[5m])")]);

const RESIDENT: MetricDoc =
    MetricDoc::given("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.")
        .unit("bytes")
        .meaning("What the process takes of the machine's memory, and what a container's limit is about.")
        .queries(&[("Memory in use", "METRIC"), ("Growth in the last hour", "delta(METRIC[1h])")]);

const VIRTUAL: MetricDoc =
    MetricDoc::given("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.")
        .unit("bytes")
        .meaning("Address space, most of which costs nothing.")
        .queries(&[("Address space", "METRIC")]);

const VIRTUAL_MAX: MetricDoc = MetricDoc::given(
    "process_virtual_memory_max_bytes",
    Kind::Gauge,
    "Maximum amount of virtual memory available in bytes.",
)
.unit("bytes")
.meaning("Not there when it is not limited, as is the rule.")
.queries(&[("Part in use", "process_virtual_memory_bytes / METRIC")]);

const OPEN: MetricDoc = MetricDoc::given("process_open_fds", Kind::Gauge, "Number of open file descriptors.")
    .unit("file descriptors")
    .meaning("Near the maximum, connections are accepted no more.")
    .queries(&[("Part in use", "METRIC / process_max_fds")]);

const MOST: MetricDoc =
    MetricDoc::given("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.")
        .unit("file descriptors")
        .queries(&[("Left", "METRIC - process_open_fds")]);

const THREADS: MetricDoc =
    MetricDoc::given("process_threads", Kind::Gauge, "Number of OS threads in the process.")
        .unit("threads")
        .meaning("The same all the time, but for those that block on files.")
        .queries(&[("Most in the last hour", "max_over_time(METRIC[1h])")]);

const STARTED: MetricDoc = MetricDoc::given(
    "process_start_time_seconds",
    Kind::Gauge,
    "Start time of the process since unix epoch in seconds.",
)
.unit("seconds since 1970")
.queries(&[("Uptime in seconds", "time() - METRIC"), ("Starts in the last hour", "changes(METRIC[1h])")]);

crate::document! { CPU, RESIDENT, VIRTUAL, VIRTUAL_MAX, OPEN, MOST, THREADS, STARTED }
