//! The interface `Runtime`: compiler, processors, tasks, memory and stacks.

use std::rc::Rc;

use capnp::Error as RpcError;
use schema::admin_capnp::{mem_stats, runtime};

use super::count;
use super::gate::Session;

/// Serves `Runtime`.
pub(super) struct RuntimeServer {
    session: Rc<Session>,
}

impl RuntimeServer {
    pub(super) fn new(session: Rc<Session>) -> Self {
        Self { session }
    }
}

impl runtime::Server for RuntimeServer {
    async fn go_version(
        self: Rc<Self>,
        _: runtime::GoVersionParams,
        mut results: runtime::GoVersionResults,
    ) -> Result<(), RpcError> {
        results.get().set_version(format!("rustc {}", app_metrics::platform::RUSTC_VERSION));
        Ok(())
    }

    async fn num_c_p_u(
        self: Rc<Self>,
        _: runtime::NumCPUParams,
        mut results: runtime::NumCPUResults,
    ) -> Result<(), RpcError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        results.get().set_count(count(processors));
        Ok(())
    }

    async fn num_goroutine(
        self: Rc<Self>,
        _: runtime::NumGoroutineParams,
        mut results: runtime::NumGoroutineResults,
    ) -> Result<(), RpcError> {
        let app = self.session.admin.app();
        let statuses = app.service_statuses();
        let made = |id| statuses.binary_search_by_key(&id, |status| status.id).is_ok();
        let others = app.services().into_iter().filter(|service| !made(service.id()));
        let others: usize = others.map(|service| service.tasks().len()).sum();
        let tasks: usize = statuses.iter().map(|status| status.tasks).sum();
        results.get().set_count(count(tasks + others));
        Ok(())
    }

    async fn mem_stats(
        self: Rc<Self>,
        _: runtime::MemStatsParams,
        mut results: runtime::MemStatsResults,
    ) -> Result<(), RpcError> {
        // Reading this file does not block: the system makes it up on the spot.
        let status = std::fs::read_to_string("/proc/self/status").map_err(|error| {
            RpcError::failed(format!(
                "the memory of the process is unknown: reading /proc/self/status failed: {error}"
            ))
        })?;
        write(&status, results.get().init_stats());
        Ok(())
    }

    async fn stack_dump(
        self: Rc<Self>,
        _: runtime::StackDumpParams,
        mut results: runtime::StackDumpResults,
    ) -> Result<(), RpcError> {
        let admin = &self.session.admin;
        let dump = admin.stacks.dump(admin.app()).await?;
        results.get().set_stack_dump(&dump);
        Ok(())
    }
}

/// Writes the values of the process status that have a field in the answer. All other fields stay 0.
fn write(status: &str, mut stats: mem_stats::Builder<'_>) {
    let bytes = |name| bytes_of(status, name).unwrap_or_default();
    stats.set_alloc(bytes("RssAnon"));
    stats.set_heap_alloc(bytes("RssAnon"));
    stats.set_heap_in_use(bytes("VmRSS"));
    stats.set_heap_sys(bytes("VmData"));
    stats.set_sys(bytes("VmSize"));
    stats.set_stack_in_use(bytes("VmStk"));
    stats.set_stack_sys(bytes("VmStk"));
}

/// The value of a line such as `VmRSS:     1234 kB`.
fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(found, _)| *found == name)?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_status_are_read_as_bytes() {
        let status = "Name:\tapp\nVmSize:\t   2048 kB\nVmRSS:\t     12 kB\nRssAnon:\t x kB\nThreads:\t3\n";
        assert_eq!(bytes_of(status, "VmSize"), Some(2048 * 1024));
        assert_eq!(bytes_of(status, "VmRSS"), Some(12 * 1024));
        for missing in ["RssAnon", "Threads", "VmStk"] {
            assert_eq!(bytes_of(status, missing), None, "{missing}");
        }
    }
}
