//! Names, files and lines of code addresses, with little memory.
//!
//! The debug information of a program is many times larger than the program. The symbolizer of the `backtrace` crate maps
//! it whole and keeps an index: 50 MB and more, where a process may have a limit of 32 MB. This module reads the files in
//! small pieces, in one pass for all addresses of a look-up, and keeps only the results.
//!
//! Invariants:
//!
//! 1. The memory of a look-up depends on the number of addresses, never on the size of the program.
//! 2. At most [`MAX_CACHED`] results are kept.
//! 3. One thread looks up at a time ([`LOOKUP_LOCK`]). A thread that waits longer than [`LOCK_TIMEOUT`] gets addresses
//!    without names. So does a thread that is already in a look-up, because a panic in here is logged with its stack.
//! 4. A file that cannot be opened, read or understood is not an error. It only costs names and lines: you can still look
//!    up bare addresses later, with the same program.

mod calls;
mod debug_info;
mod file_slice;
mod image;
mod lines;
mod modules;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use self::image::Image;
use crate::Frame;

/// Frames by code address, innermost first. An address has several frames where the compiler inlined calls.
pub type FramesAt = HashMap<usize, Arc<[Frame]>>;

/// The most results that are kept. The stacks of a process's errors have fewer addresses.
const MAX_CACHED: usize = 1024;

/// How long a look-up waits for those of other threads.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

static CACHE: LazyLock<Mutex<FramesAt>> = LazyLock::new(Mutex::default);

static LOOKUP_LOCK: Mutex<()> = Mutex::new(());

thread_local! {
    static IN_LOOKUP: Cell<bool> = const { Cell::new(false) };
}

/// Looks up the frames at code addresses. New addresses take milliseconds to tens of milliseconds; recent results are
/// cached.
///
/// Each address must point into an instruction. For a return address, pass the address minus one.
#[must_use]
pub fn frames_at(addresses: &[usize]) -> FramesAt {
    let mut found = FramesAt::with_capacity(addresses.len());
    if !take_cached(addresses, &mut found)
        && let Some(_guard) = LookupGuard::take()
        // Another thread may have looked them up in the meantime.
        && !take_cached(addresses, &mut found)
    {
        let mut unknown: Vec<_> =
            addresses.iter().copied().filter(|address| !found.contains_key(address)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let new = look_up(&unknown);
        keep(&new);
        found.extend(new);
    }
    for address in addresses {
        found.entry(*address).or_insert_with(|| unnamed(format!("{address:#x}")));
    }
    found
}

/// Copies cached results into `found`. Returns whether `found` now has all addresses.
fn take_cached(addresses: &[usize], found: &mut FramesAt) -> bool {
    let cache = locked(&CACHE);
    for address in addresses {
        if let Some(frames) = cache.get(address) {
            found.insert(*address, Arc::clone(frames));
        }
    }
    addresses.iter().all(|address| found.contains_key(address))
}

fn keep(new: &FramesAt) {
    let mut cache = locked(&CACHE);
    if cache.len() + new.len() > MAX_CACHED {
        *cache = FramesAt::new();
    }
    cache.extend(new.iter().take(MAX_CACHED).map(|(address, frames)| (*address, Arc::clone(frames))));
}

/// Ignores poisoning: no holder of a lock in this module can leave a half-made change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to look up (invariant 3).
struct LookupGuard(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl LookupGuard {
    fn take() -> Option<Self> {
        // At the end of a thread its thread-local storage is gone. Then there is no look-up.
        if IN_LOOKUP.try_with(Cell::get).unwrap_or(true) {
            return None;
        }
        let end = Instant::now() + LOCK_TIMEOUT;
        let guard = loop {
            match LOOKUP_LOCK.try_lock() {
                Ok(guard) => break guard,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        IN_LOOKUP.set(true);
        Some(Self(guard))
    }
}

impl Drop for LookupGuard {
    fn drop(&mut self) {
        IN_LOOKUP.set(false);
    }
}

/// The frames at `addresses`, which must be sorted. Addresses that belong to no file are left out.
fn look_up(addresses: &[usize]) -> FramesAt {
    let mut found = FramesAt::new();
    for module in modules::of(addresses) {
        let image = module.open().ok().and_then(|file| Image::read(file).ok());
        let mut in_image: HashMap<u64, Vec<Frame>> = HashMap::new();
        let mut places = Vec::with_capacity(module.addresses.len());
        for (address, offset) in &module.addresses {
            let place = image.as_ref().and_then(|image| image.address_of(*offset));
            places.push((*address, place.unwrap_or(*offset)));
        }
        if let Some(image) = &image {
            let mut wanted: Vec<_> = places.iter().map(|(_, place)| *place).collect();
            wanted.sort_unstable();
            wanted.dedup();
            in_image = image.frames(&wanted);
        }
        for (address, place) in places {
            let frames = in_image.remove(&place).filter(|frames| !frames.is_empty());
            // Other tools can find the name from the file and the address in it.
            let bare = || unnamed(format!("{address:#x} ({}+{place:#x})", module.name()));
            found.insert(address, frames.map_or_else(bare, Arc::from));
        }
    }
    found
}

fn unnamed(address: String) -> Arc<[Frame]> {
    Arc::from([Frame { function: address, place: None }])
}

#[cfg(test)]
mod tests;
