//! The lock that makes one handover happen at a time.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

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
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => {
                    return Err(path.problem(
                        "another process starts with this path and is not ready yet; wait for it, or stop it",
                    ));
                }
                Err(error) => return Err(path.problem(format!("its lock cannot be taken: {error}"))),
            }
        }
    }
}

/// Opens the file for this user alone. A link in its place is refused, and so is what is no file. Never waits: opening a pipe would.
fn open(path: &HandoverPath) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let opened =
        OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(flags).open(path.lock());
    let no_file = || io::Error::other("it is no file; remove it");
    match opened {
        Ok(file) if !file.metadata()?.is_file() => Err(no_file()),
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => Err(no_file()),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn one_process_at_a_time_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = HandoverPath::new(&dir.path().join("handover"));
        let lock = HandoverLock::take(&path).unwrap();
        assert!(HandoverLock::take_free(&path).is_none());
        drop(lock);
        assert!(HandoverLock::take_free(&path).is_some());
    }

    #[test]
    fn a_pipe_in_the_place_of_the_lock_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = HandoverPath::new(&dir.path().join("handover"));
        mkfifo(&path.lock(), Mode::S_IRWXU).unwrap();
        let refused = |path: &HandoverPath| HandoverLock::take(path).map(drop).unwrap_err();
        assert!(refused(&path).contains("it is no file; remove it"), "{}", refused(&path));
        // With a process at its other end, it can be opened.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let _reader = OpenOptions::new().read(true).custom_flags(flags).open(path.lock()).unwrap();
        assert!(refused(&path).contains("it is no file; remove it"), "{}", refused(&path));
    }
}
