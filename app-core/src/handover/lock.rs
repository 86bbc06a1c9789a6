//! The lock that makes one handover happen at a time.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::HandoverPath;

/// How long another process may take to become ready, until this one gives up.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// The lock of a path, until this is dropped. The system takes it back when the process ends.
#[derive(Debug)]
pub(super) struct HandoverLock {
    _file: File,
}

impl HandoverLock {
    /// Takes the lock if no other process has it.
    pub(super) fn take_free(path: &HandoverPath) -> Option<Self> {
        let file = open(path).ok()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
        Some(Self { _file: file })
    }

    /// Takes the lock. Blocks the thread for at most ten seconds.
    ///
    /// # Errors
    /// Another process has it, or the file cannot be opened.
    pub(super) fn take(path: &HandoverPath) -> Result<Self, String> {
        let file = open(path).map_err(|error| {
            path.problem(format!("its lock {} cannot be opened: {error}", path.lock().display()))
        })?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(PAUSE),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(path.problem(
                        "another process starts with this path and is not ready yet; wait for it, or stop it",
                    ));
                }
                Err(error) => return Err(path.problem(format!("its lock cannot be taken: {error}"))),
            }
        }
    }
}

/// Opens the file for this user alone. A link in its place is refused.
fn open(path: &HandoverPath) -> io::Result<File> {
    let no_links = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(no_links).open(path.lock())
}
