//! The threads of this process, from `/proc`.

use std::{fs, io};

/// One thread, as the kernel describes it.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) tid: i32,
    /// At most 15 bytes, the limit of the kernel. Not escaped.
    pub(super) name: String,
    /// Such as `S (sleeping)` or `D (disk sleep)`.
    pub(super) state: String,
    /// Bit `n - 1` stands for signal `n`.
    pub(super) blocked_signals: u64,
}

/// The ids of all threads, in order. The main thread usually is the first.
///
/// # Errors
///
/// `/proc` is not mounted, or not readable.
pub(super) fn tids() -> io::Result<Vec<i32>> {
    let mut tids = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        tids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    tids.sort_unstable();
    Ok(tids)
}

impl Thread {
    /// Reads the description of a thread. If the thread has ended, only the id is set.
    pub(super) fn look_up(tid: i32) -> Self {
        let read = |file: &str| {
            let bytes = fs::read(format!("/proc/self/task/{tid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        // The name comes from `comm`, because `status` escapes only some characters of it.
        let (name, status) = (read("comm"), read("status"));
        let field = |name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap_or_default()
        };
        Self {
            tid,
            name: name.strip_suffix('\n').unwrap_or(&name).to_owned(),
            state: field("State").to_owned(),
            blocked_signals: u64::from_str_radix(field("SigBlk"), 16).unwrap_or(0),
        }
    }

    pub(super) fn blocks(&self, signal: i32) -> bool {
        self.blocked_signals >> (signal - 1) & 1 == 1
    }
}
