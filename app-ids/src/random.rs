//! New ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A number from the operating system's source of randomness; never zero, which has a meaning of its own.
///
/// Where that source is refused to the process (a sandbox that is too strict), the number is mixed from the clock, the
/// process id and a counter: still unlike others, so that an application starts, but to be guessed. An id is a name,
/// never a secret.
#[must_use]
pub fn random_u64() -> u64 {
    loop {
        let number = getrandom::u64().unwrap_or_else(|_| mixed());
        if number != 0 {
            return number;
        }
    }
}

/// A number from what differs between processes and calls.
fn mixed() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only the counter itself must not repeat, nothing is published with it.
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    RandomState::new().hash_one((now, std::process::id(), call))
}

#[cfg(test)]
mod tests;
