//! Random numbers for new ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A random number from the operating system. It is never zero, since zero has a meaning of its own.
///
/// If a sandbox denies that source to the process, the number is mixed from the clock, the process id and a counter. Such a number
/// is unique enough for the application to start, but can be guessed. An id is a name, never a secret.
#[must_use]
pub fn random_u64() -> u64 {
    loop {
        let number = getrandom::u64().unwrap_or_else(|_| mixed());
        if number != 0 {
            return number;
        }
    }
}

/// A number from values that differ between processes and calls.
fn mixed() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // Relaxed is enough: only the counter must not repeat, and it publishes no other data.
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    RandomState::new().hash_one((now, std::process::id(), call))
}

#[cfg(test)]
mod tests;
