//! The calls of all connections of a server together: their limits, and what is counted and logged.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::ServerState;
use super::counts::Counts;
use crate::connection::{CallOutcome, CallWatch, MethodKey, RefusedCall};
use crate::measured::CalledMethods;
use crate::queue::{self, Overload};
use crate::{Peer, Role, RpcServerConfig};

/// One of so many calls in flight is kept for clients with a grant.
const KEPT: usize = 16;

thread_local! {
    /// A thread serves one server.
    static OVERLOAD: RefCell<Overload> = RefCell::default();
}

/// The limits of all calls of a server together. `Relaxed` is enough: the numbers guard no other data.
#[derive(Default)]
pub(super) struct CallLimits {
    in_flight: AtomicUsize,
    /// The most calls in flight, and the most while a client without a grant begins one.
    most: AtomicUsize,
    most_of_readers: AtomicUsize,
    /// The longest wait for a thread in milliseconds; 0 is any.
    queue_millis: AtomicU64,
}

impl CallLimits {
    pub(super) fn new(config: &RpcServerConfig) -> Self {
        let limits = Self::default();
        limits.set(config);
        limits
    }

    pub(super) fn set(&self, config: &RpcServerConfig) {
        let most = config.max_calls_in_flight;
        let kept = if config.grants.any() { most / KEPT } else { 0 };
        self.most.store(most, Ordering::Relaxed);
        self.most_of_readers.store(most - kept, Ordering::Relaxed);
        let millis = config.max_queue.map_or(0, |most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        self.queue_millis.store(millis, Ordering::Relaxed);
    }

    /// Counts a call, if there is room for it.
    fn begin(&self, is_granted: bool) -> bool {
        let most = if is_granted { &self.most } else { &self.most_of_readers };
        let begun = self.in_flight.fetch_add(1, Ordering::Relaxed) < most.load(Ordering::Relaxed);
        if !begun {
            self.end();
        }
        begun
    }

    fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether calls on this thread wait too long.
    fn is_overloaded(&self) -> bool {
        let most = Duration::from_millis(self.queue_millis.load(Ordering::Relaxed));
        if most.is_zero() {
            return false;
        }
        let is_long = queue::waited() > most;
        OVERLOAD.with_borrow_mut(|overload| {
            if is_long {
                return overload.refuses(Instant::now());
            }
            overload.is_over();
            false
        })
    }
}

/// Watches the calls of one connection.
pub(super) struct PeerCalls {
    shared: Arc<ServerState>,
    methods: CalledMethods,
    from: SocketAddr,
    is_granted: bool,
}

impl PeerCalls {
    pub(super) fn new(shared: &Arc<ServerState>, peer: &Peer) -> Self {
        Self {
            shared: Arc::clone(shared),
            methods: CalledMethods::new(shared.counts.calls()),
            from: peer.address,
            is_granted: peer.role > Role::Read,
        }
    }

    fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

impl CallWatch for PeerCalls {
    fn waited(&self) -> Duration {
        queue::waited()
    }

    fn admit(&self) -> Result<(), RefusedCall> {
        let limits = &self.shared.call_limits;
        // An operator gets through to a server that others overload.
        if limits.is_overloaded() && !self.is_granted {
            return Err(RefusedCall::Queue);
        }
        if limits.begin(self.is_granted) { Ok(()) } else { Err(RefusedCall::ServerCalls) }
    }

    fn begin(&self, method: MethodKey) -> usize {
        let number = self.methods.number(method);
        self.methods.with(number, |meters| meters.begin());
        number
    }

    fn end(&self, method: usize, outcome: CallOutcome, time: Duration) {
        self.shared.call_limits.end();
        if outcome == CallOutcome::Refused {
            // It waited for another call, and its deadline passed before it began.
            self.counts().call_refused(RefusedCall::Late);
        }
        self.methods.with(method, |meters| meters.end(outcome, time));
    }

    fn refuse(&self, method: MethodKey, why: RefusedCall) {
        self.counts().call_refused(why);
        self.methods.with(self.methods.number(method), |meters| meters.refused());
    }

    fn failed(&self, method: usize, text: &str, error: Option<&[u8]>) {
        self.methods
            .with(method, |meters| self.shared.journal.call_failed(&meters.name, self.from, text, error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sixteenth_of_the_calls_is_kept_for_clients_with_a_grant() {
        let limits = CallLimits { most: 16.into(), most_of_readers: 15.into(), ..CallLimits::default() };
        assert!((0..15).all(|_| limits.begin(false)));
        assert!(!limits.begin(false));
        assert!(limits.begin(true));
        assert!(!limits.begin(true));
        limits.end();
        assert!(!limits.begin(false), "the last one is kept");
        limits.end();
        assert!(limits.begin(false));
    }
}
