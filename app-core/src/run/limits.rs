//! Limits of the operating system that are too low for the application. Each is refused with one line, before the
//! application needs it.

use std::{
    env,
    fs::File,
    io::{self, Write},
    num::NonZero,
    os::fd::AsRawFd as _,
    thread,
};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use crate::listeners::is_out_of_descriptors;

/// The stack that the main thread needs. Subcommands, help and the kernel run on it.
const STACK_BYTES: u64 = 512 * 1024;

/// Number of descriptors that must be free. A small application with two RPC endpoints needs at most 32 while it starts.
/// The rest is for connections.
pub(super) const DESCRIPTORS: usize = 40;

/// Memory that an error text may take.
const TEXT_BYTES: usize = 64 * 1024;

/// Memory that must be available for the command line, its help and a subcommand. Reading the command line of the example
/// takes over 2 MiB in a debug build.
pub(super) const COMMAND_MEMORY_BYTES: usize = 6 * 1024 * 1024;

/// Memory that must be available for the services. The example takes 20 MiB less in a debug build.
pub(super) const MEMORY_BYTES: usize = 48 * 1024 * 1024;

/// Address space that glibc reserves for each thread that allocates, up to a number of them (`HEAP_MAX_SIZE` in
/// malloc/arena.c).
const ARENA_BYTES: usize = 64 * 1024 * 1024;

/// Such reservations of a 64-bit process for each core, unless `MALLOC_ARENA_MAX` says how many.
const ARENAS_PER_CORE: usize = 8;

/// With so many descriptors between the lowest that is free and the limit, enough of them are free: a parent rarely leaves more open.
const FAR: usize = 1_000;

/// Threads of the kernel and for blocking work, besides the workers.
const OTHER_THREADS: usize = 8;

/// Refuses a stack limit (`ulimit -s`) that is too low for the main thread. The process would abort in the middle of its work.
///
/// # Errors
/// The error names the limit, its value and the cure.
pub fn check_stack_limit() -> io::Result<()> {
    let stack = getrlimit(Resource::RLIMIT_STACK).map_or(u64::MAX, |(soft, _)| soft);
    if stack >= STACK_BYTES {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the limit RLIMIT_STACK (ulimit -s) is {stack} bytes; raise it to at least {STACK_BYTES} bytes"
    )))
}

/// Refuses fewer than `wanted` free descriptors. The application would start, and then one operation after another would
/// fail.
///
/// The check opens one descriptor for a moment, and all of them if the limit is close.
///
/// # Errors
/// The error names the limit, its value and the cure.
pub fn check_descriptors(wanted: usize) -> io::Result<()> {
    let open = |count: usize| (0..count).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>();
    let is_far = |first: &[File]| {
        let lowest = first.first().and_then(|file| usize::try_from(file.as_raw_fd()).ok());
        lowest.is_some_and(|lowest| lowest.saturating_add(FAR + wanted) <= descriptor_limit())
    };
    let free = match open(1) {
        Ok(first) if is_far(&first) => return Ok(()),
        Ok(_) => open(wanted),
        Err(refused) => Err(refused),
    };
    match free {
        Err(refused) if is_out_of_descriptors(&refused) => {
            let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or_else(
                |_| "the limit RLIMIT_NOFILE (ulimit -n)".to_owned(),
                |(soft, _)| format!("the limit RLIMIT_NOFILE (ulimit -n) is {soft}"),
            );
            let text =
                format!("{refused}: {limit}, and fewer than {wanted} descriptors are free; raise the limit");
            Err(io::Error::new(refused.kind(), text))
        }
        // Without `/dev/null`, the check cannot tell.
        _ => Ok(()),
    }
}

/// Raises the soft limit of descriptors to the hard limit. The soft limit, often 1,024, protects programs that use
/// `select(2)`.
///
/// If the system refuses, the limit stays as it is.
pub(super) fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Number of descriptors that this process may have open: the soft limit of RLIMIT_NOFILE.
#[must_use]
pub fn descriptor_limit() -> usize {
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(RLIM_INFINITY, |(soft, _)| soft);
    usize::try_from(soft).unwrap_or(usize::MAX)
}

/// Refuses fewer than `bytes` of memory, because the first allocation that fails aborts the process (SIGABRT).
///
/// # Errors
/// The error names the limits, their values and the cure.
pub(super) fn check_memory(bytes: usize) -> io::Result<()> {
    if Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
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
    let text = format!("{bytes} bytes of memory are refused: {set}; raise the limit");
    Err(io::Error::new(io::ErrorKind::OutOfMemory, text))
}

/// Refuses too small a limit of address space (`ulimit -v`). Threads reserve most of what such a limit leaves, and whether the
/// rest is enough is a matter of chance. Without a limit, a reservation costs nothing.
///
/// # Errors
/// The error names the limit, its value and the cures.
pub(super) fn check_address_space(workers: Option<u16>) -> io::Result<()> {
    let Some((limit, _)) = getrlimit(Resource::RLIMIT_AS).ok().filter(|(soft, _)| *soft != RLIM_INFINITY)
    else {
        return Ok(());
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let set = env::var("MALLOC_ARENA_MAX").ok().and_then(|set| set.parse().ok());
    let most = set.filter(|arenas| *arenas > 0).unwrap_or(ARENAS_PER_CORE.saturating_mul(cores));
    // The first arena reserves nothing.
    let arenas = (workers.map_or(cores, usize::from) + OTHER_THREADS).min(most - 1);
    let bytes = MEMORY_BYTES.saturating_add(ARENA_BYTES.saturating_mul(arenas));
    if Vec::<u8>::new().try_reserve_exact(bytes).is_ok() {
        return Ok(());
    }
    let mut text = format!(
        "RLIMIT_AS (ulimit -v) is {limit} bytes, and does not leave the {bytes} that this program reserves"
    );
    text += if arenas == 0 {
        "; raise the limit"
    } else {
        ", most of it for memory of threads; raise the limit, or set the environment variable MALLOC_ARENA_MAX=1"
    };
    Err(io::Error::new(io::ErrorKind::OutOfMemory, text))
}

/// Prints that there is no memory at all, not even for an error text. This function allocates nothing.
///
/// Returns false if there is memory.
pub(super) fn out_of_memory() -> bool {
    let no_memory = Vec::<u8>::new().try_reserve_exact(TEXT_BYTES).is_err();
    if no_memory {
        let text =
            "cannot start: no memory is left; raise RLIMIT_AS (ulimit -v) or RLIMIT_DATA (ulimit -d)\n";
        let _ = io::stderr().write_all(text.as_bytes());
    }
    no_memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_run_with_is_enough() {
        check_stack_limit().unwrap();
        check_descriptors(DESCRIPTORS).unwrap();
        check_memory(MEMORY_BYTES).unwrap();
    }
}
