//! Documentation of the metrics of the process, under the names that all Prometheus client libraries use.
//!
//! `exposition/process.rs` reads them.

use crate::{Kind, MetricDoc};

const CPU: MetricDoc = MetricDoc::given(
    "process_cpu_seconds_total",
    Kind::Counter,
    "Total user and system CPU time spent in seconds.",
)
.unit("seconds")
.meaning("The rate is the number of processors in use.")
.queries(&[("Processors in use", "rate(METRIC[5m])")]);

const RESIDENT: MetricDoc =
    MetricDoc::given("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.")
        .unit("bytes")
        .meaning("The memory of the machine that the process uses. The limit of a container applies to it.")
        .queries(&[("Memory in use", "METRIC"), ("Growth in the last hour", "delta(METRIC[1h])")]);

const VIRTUAL: MetricDoc =
    MetricDoc::given("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.")
        .unit("bytes")
        .meaning("This is address space; most of it costs nothing.")
        .queries(&[("Address space", "METRIC")]);

const VIRTUAL_MAX: MetricDoc = MetricDoc::given(
    "process_virtual_memory_max_bytes",
    Kind::Gauge,
    "Maximum amount of virtual memory available in bytes.",
)
.unit("bytes")
.meaning("Absent without a limit, which is the usual case.")
.queries(&[("Share in use", "process_virtual_memory_bytes / METRIC")]);

const OPEN: MetricDoc = MetricDoc::given("process_open_fds", Kind::Gauge, "Number of open file descriptors.")
    .unit("file descriptors")
    .meaning("Near the maximum, the process cannot accept connections.")
    .queries(&[("Share in use", "METRIC / process_max_fds")]);

const MOST: MetricDoc =
    MetricDoc::given("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.")
        .unit("file descriptors")
        .queries(&[("Left", "METRIC - process_open_fds")]);

const THREADS: MetricDoc =
    MetricDoc::given("process_threads", Kind::Gauge, "Number of OS threads in the process.")
        .unit("threads")
        .meaning("It stays the same, except for threads that wait for files.")
        .queries(&[("Highest number in the last hour", "max_over_time(METRIC[1h])")]);

const STARTED: MetricDoc = MetricDoc::given(
    "process_start_time_seconds",
    Kind::Gauge,
    "Start time of the process since unix epoch in seconds.",
)
.unit("seconds since 1970")
.queries(&[("Uptime in seconds", "time() - METRIC"), ("Starts in the last hour", "changes(METRIC[1h])")]);

crate::document! { CPU, RESIDENT, VIRTUAL, VIRTUAL_MAX, OPEN, MOST, THREADS, STARTED }
