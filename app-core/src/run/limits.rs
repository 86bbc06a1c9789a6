//! Limits that are too low to run at all: one line that names the limit, before anything needs it.

use std::{fs::File, io};

use nix::sys::resource::{Resource, getrlimit};

/// What the main thread needs: commands, help and the kernel run on it.
const STACK_BYTES: u64 = 512 * 1024;

/// Descriptors that have to be free: for the sockets, runtimes and files of a small application.
const DESCRIPTORS: usize = 16;

/// Refuses a stack limit (`ulimit -s`) that the main thread cannot live with: it would be aborted in the middle of its work.
///
/// # Errors
/// Names the limit, its value and the cure.
pub fn check_stack_limit() -> io::Result<()> {
    let stack = getrlimit(Resource::RLIMIT_STACK).map_or(u64::MAX, |(soft, _)| soft);
    if stack >= STACK_BYTES {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the limit RLIMIT_STACK (ulimit -s) is {stack} bytes; raise it to at least {STACK_BYTES} bytes"
    )))
}

/// Refuses too few free descriptors: services would start, and then fail one operation after the other.
///
/// # Errors
/// Names the limit, its value and the cure.
pub(super) fn check_descriptors() -> io::Result<()> {
    let free: io::Result<Vec<_>> = (0..DESCRIPTORS).map(|_| File::open("/dev/null")).collect();
    match free {
        Err(refused) if [Some(EMFILE), Some(ENFILE)].contains(&refused.raw_os_error()) => {
            let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or_else(
                |_| "the limit RLIMIT_NOFILE (ulimit -n)".to_owned(),
                |(soft, _)| format!("the limit RLIMIT_NOFILE (ulimit -n) is {soft}"),
            );
            let text = format!(
                "{refused}: {limit}, and fewer than {DESCRIPTORS} descriptors are free; raise the limit"
            );
            Err(io::Error::new(refused.kind(), text))
        }
        // Without `/dev/null` nothing is known.
        _ => Ok(()),
    }
}

const EMFILE: i32 = nix::errno::Errno::EMFILE as i32;
const ENFILE: i32 = nix::errno::Errno::ENFILE as i32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_run_with_is_enough() {
        check_stack_limit().unwrap();
        check_descriptors().unwrap();
    }
}
