//! Limits that are too low to run at all: one line that names the limit, before anything needs it.

use std::{fs::File, io};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

/// What the main thread needs: commands, help and the kernel run on it.
const STACK_BYTES: u64 = 512 * 1024;

/// Descriptors that have to be free: for the sockets, runtimes and files of a small application with two RPC endpoints, which
/// take 32 at most while it starts, and for some connections.
pub(super) const DESCRIPTORS: usize = 40;

/// Memory that has to be available. A program in Rust is aborted (SIGABRT) when memory is refused to it later.
const MEMORY_BYTES: usize = 24 * 1024 * 1024;

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

/// Refuses fewer than `wanted` free descriptors: work would start, and then fail one operation after the other.
///
/// Opens so many for a moment.
///
/// # Errors
/// Names the limit, its value and the cure.
pub fn check_descriptors(wanted: usize) -> io::Result<()> {
    let free: io::Result<Vec<_>> = (0..wanted).map(|_| File::open("/dev/null")).collect();
    match free {
        Err(refused) if [Some(EMFILE), Some(ENFILE)].contains(&refused.raw_os_error()) => {
            let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or_else(
                |_| "the limit RLIMIT_NOFILE (ulimit -n)".to_owned(),
                |(soft, _)| format!("the limit RLIMIT_NOFILE (ulimit -n) is {soft}"),
            );
            let text =
                format!("{refused}: {limit}, and fewer than {wanted} descriptors are free; raise the limit");
            Err(io::Error::new(refused.kind(), text))
        }
        // Without `/dev/null` nothing is known.
        _ => Ok(()),
    }
}

/// Raises the soft limit of descriptors to the hard one. The soft limit, mostly 1,024, is there for programs that use `select(2)`.
///
/// A system that refuses leaves the limit as it is.
pub(super) fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// How many descriptors this process may have open: its soft limit of RLIMIT_NOFILE.
#[must_use]
pub fn descriptor_limit() -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(RLIM_INFINITY, |(soft, _)| soft);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

/// Refuses too little memory: the first allocation that fails would abort the process.
///
/// # Errors
/// Names the limits, their values and the cure.
pub(super) fn check_memory() -> io::Result<()> {
    if Vec::<u8>::new().try_reserve_exact(MEMORY_BYTES).is_ok() {
        return Ok(());
    }
    let limits =
        [("RLIMIT_AS (ulimit -v)", Resource::RLIMIT_AS), ("RLIMIT_DATA (ulimit -d)", Resource::RLIMIT_DATA)];
    let set = limits.into_iter().filter_map(|(name, resource)| {
        let (soft, _) = getrlimit(resource).ok().filter(|(soft, _)| *soft != RLIM_INFINITY)?;
        Some(format!("{name} is {soft} bytes"))
    });
    let set: Vec<_> = set.collect();
    let set = if set.is_empty() { "the machine has no more".to_owned() } else { set.join(", ") };
    let text = format!("{MEMORY_BYTES} bytes of memory are refused: {set}; raise the limit");
    Err(io::Error::new(io::ErrorKind::OutOfMemory, text))
}

const EMFILE: i32 = nix::errno::Errno::EMFILE as i32;
const ENFILE: i32 = nix::errno::Errno::ENFILE as i32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_run_with_is_enough() {
        check_stack_limit().unwrap();
        check_descriptors(DESCRIPTORS).unwrap();
        check_memory().unwrap();
    }
}
