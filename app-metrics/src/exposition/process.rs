//! Metrics of the process, under the names that all Prometheus client libraries use.
//!
//! They are read from `/proc` during a scrape. A value that cannot be read is left out, because no value is better than
//! a wrong one.

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::str::FromStr;
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
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            read_stat(&stat, &mut samples);
        }
        read_limits(&mut samples);
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is that of this directory.
            let open = open.count().saturating_sub(1);
            samples.push(gauge("process_open_fds", "Number of open file descriptors.", open as f64));
        }
        samples.sort_unstable_by_key(|sample| sample.name);
        Self { labels, samples }
    }
}

/// What `/proc/self/stat` says.
///
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// User and system time, in ticks.
    cpu_ticks: u64,
    threads: u64,
    /// When the process started, in ticks since the boot.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program is in parentheses, and may have parentheses and spaces itself. Field 3 follows.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).and_then(|text| u64::from_str(text).ok());
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn read_stat(stat: &Stat, samples: &mut Vec<ProcessSample>) {
    let ticks = clock_ticks_per_second() as f64;
    let resident = stat.resident_pages as f64 * page_size() as f64;
    samples.push(ProcessSample {
        name: "process_cpu_seconds_total",
        help: "Total user and system CPU time spent in seconds.",
        counter: true,
        value: stat.cpu_ticks as f64 / ticks,
    });
    samples.extend([
        gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident),
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", stat.virtual_bytes as f64),
        gauge("process_threads", "Number of OS threads in the process.", stat.threads as f64),
    ]);
    if let Some(booted) = boot_time_seconds() {
        let help = "Start time of the process since unix epoch in seconds.";
        samples.push(gauge("process_start_time_seconds", help, booted + stat.start_ticks as f64 / ticks));
    }
}

fn read_limits(samples: &mut Vec<ProcessSample>) {
    if let Some(most) = getrlimit(Resource::Nofile).current {
        samples.push(gauge("process_max_fds", "Maximum number of open file descriptors.", most as f64));
    }
    if let Some(most) = getrlimit(Resource::As).current {
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
    let booted = BOOTED.get_or_init(|| {
        let text = fs::read_to_string("/proc/stat").ok()?;
        text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    });
    booted.map(|seconds| seconds as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 100 20 30 40 20 0 7 0 5000 4096000 250 18446744073709551615 1\n";
        let expected = Stat {
            cpu_ticks: 120,
            threads: 7,
            start_ticks: 5000,
            virtual_bytes: 4_096_000,
            resident_pages: 250,
        };
        for name in ["app", "a) S 1 (b", "", "two words"] {
            assert_eq!(Stat::parse(&format!("4711 ({name}) {fields}")).as_ref(), Some(&expected), "{name}");
        }
        assert_eq!(Stat::parse("4711 (app) S 1 2"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_has_every_metric_but_limits_that_are_not_set() {
        let names: Vec<_> =
            ProcessMetrics::read("".into()).samples.iter().map(|sample| sample.name).collect();
        for name in [
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_threads",
            "process_virtual_memory_bytes",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
    }
}
