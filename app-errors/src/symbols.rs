//! Names, files and lines of code addresses, in little memory.
//!
//! The debug information of a program is many times larger than the program. The symbolizer of the `backtrace` crate
//! maps all of it and keeps indexes of it for good: 50 MB and more, for a process that may have 32. Here the files are
//! read in small pieces, in one pass for all addresses that are asked for, and only the answers are kept.
//!
//! Invariants:
//!
//! 1. What a look-up takes depends on how many addresses it is asked for, never on the size of the program.
//! 2. At most [`MOST_KNOWN`] answers are kept.
//! 3. One thread looks up at a time ([`LOOKING`]). A thread that waits longer than [`PATIENCE`], or that is looking up
//!    already (a panic in here is logged with its stack), gets addresses without names.
//! 4. Whatever can't be opened, read or understood costs names and lines, and is no error: a stack of bare addresses
//!    can still be looked up later, with the same program.

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

/// Frames by code address: several for an address where the compiler inlined calls, innermost first.
pub type FramesAt = HashMap<usize, Arc<[Frame]>>;

/// Answers that are kept: a process raises its errors in fewer places.
const MOST_KNOWN: usize = 1024;

/// How long a look-up waits for others.
const PATIENCE: Duration = Duration::from_secs(2);

static KNOWN: LazyLock<Mutex<FramesAt>> = LazyLock::new(Mutex::default);

static LOOKING: Mutex<()> = Mutex::new(());

thread_local! {
    static LOOKING_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Looks up what is at each of the code addresses. Takes milliseconds, or tens of them, for addresses that are new;
/// the latest answers are kept.
///
/// An address has to lie inside of an instruction. For a return address that is the address before it.
#[must_use]
pub fn frames_at(addresses: &[usize]) -> FramesAt {
    let mut found = FramesAt::with_capacity(addresses.len());
    if !take_known(addresses, &mut found)
        && let Some(_turn) = Turn::take()
        // Another thread may have looked them up meanwhile.
        && !take_known(addresses, &mut found)
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

/// Whether all of them are known.
fn take_known(addresses: &[usize], found: &mut FramesAt) -> bool {
    let known = locked(&KNOWN);
    for address in addresses {
        if let Some(frames) = known.get(address) {
            found.insert(*address, Arc::clone(frames));
        }
    }
    addresses.iter().all(|address| found.contains_key(address))
}

fn keep(new: &FramesAt) {
    let mut known = locked(&KNOWN);
    if known.len() + new.len() > MOST_KNOWN {
        *known = FramesAt::new();
    }
    known.extend(new.iter().take(MOST_KNOWN).map(|(address, frames)| (*address, Arc::clone(frames))));
}

/// Nothing that holds a lock here can leave half a change.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to look up (invariant 3).
struct Turn(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Turn {
    fn take() -> Option<Self> {
        // At a thread's very end there is nothing to remember with, and nothing is looked up.
        if LOOKING_HERE.try_with(Cell::get).unwrap_or(true) {
            return None;
        }
        let end = Instant::now() + PATIENCE;
        let guard = loop {
            match LOOKING.try_lock() {
                Ok(guard) => break guard,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        LOOKING_HERE.set(true);
        Some(Self(guard))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        LOOKING_HERE.set(false);
    }
}

/// What can be said of addresses that are sorted; those in no file are left out.
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
            // With the name of the file and the place in it, other tools find the name.
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
