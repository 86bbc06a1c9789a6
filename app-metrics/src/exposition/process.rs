//! Metrics of the process, under the names that all Prometheus client libraries use.
//!
//! They are read from `/proc` during a scrape. A value that cannot be read is left out, because no value is better than
//! a wrong one.

use procfs::process::{LimitValue, Process};
use std::sync::{Arc, OnceLock};

/// The metrics of the process at one moment.
#[derive(Debug, Default)]
pub(crate) struct ProcessMetrics {
    /// The constant labels as text.
    pub(super) labels: Arc<str>,
    pub(super) samples: Vec<ProcessSample>,
}

#[derive(Debug)]
pub(super) struct ProcessSample {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) counter: bool,
    pub(super) value: f64,
}

impl ProcessMetrics {
    /// Reads the metrics. Takes about 100 microseconds, mostly to count the open files.
    pub(crate) fn read(labels: Arc<str>) -> Self {
        let mut samples = Vec::new();
        if let Ok(process) = Process::myself() {
            read_stat(&process, &mut samples);
            read_limits(&process, &mut samples);
            if let Ok(open) = process.fd_count() {
                samples.push(gauge("process_open_fds", "Number of open file descriptors.", open as f64));
            }
        }
        samples.sort_unstable_by_key(|sample| sample.name);
        Self { labels, samples }
    }
}

fn read_stat(process: &Process, samples: &mut Vec<ProcessSample>) {
    let Ok(stat) = process.stat() else { return };
    let ticks = procfs::ticks_per_second() as f64;
    let resident = stat.rss as f64 * procfs::page_size() as f64;
    samples.push(ProcessSample {
        name: "process_cpu_seconds_total",
        help: "Total user and system CPU time spent in seconds.",
        counter: true,
        value: (stat.utime + stat.stime) as f64 / ticks,
    });
    samples.extend([
        gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident),
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", stat.vsize as f64),
        gauge("process_threads", "Number of OS threads in the process.", stat.num_threads as f64),
    ]);
    if let Some(booted) = boot_time_seconds() {
        let help = "Start time of the process since unix epoch in seconds.";
        samples.push(gauge("process_start_time_seconds", help, booted + stat.starttime as f64 / ticks));
    }
}

fn read_limits(process: &Process, samples: &mut Vec<ProcessSample>) {
    let Ok(limits) = process.limits() else { return };
    if let LimitValue::Value(most) = limits.max_open_files.soft_limit {
        samples.push(gauge("process_max_fds", "Maximum number of open file descriptors.", most as f64));
    }
    if let LimitValue::Value(most) = limits.max_address_space.soft_limit {
        let help = "Maximum amount of virtual memory available in bytes.";
        samples.push(gauge("process_virtual_memory_max_bytes", help, most as f64));
    }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> ProcessSample {
    ProcessSample { name, help, counter: false, value }
}

/// When the machine was booted, in seconds since 1970. Read once: the kernel computes the time from a clock that is
/// adjusted, and a start time that moves looks like a restart.
fn boot_time_seconds() -> Option<f64> {
    static BOOTED: OnceLock<Option<u64>> = OnceLock::new();
    BOOTED.get_or_init(|| procfs::boot_time_secs().ok()).map(|seconds| seconds as f64)
}
