//! What a network may do, by a seed: for tests.

use std::time::Duration;

use tokio::time::Instant;

/// Faults of the transport in this process, for tests. Provide them to a test app:
///
/// ```
/// use app_core::testing::TestApp;
/// use app_messaging::{Faults, MESSAGING_SERVICE_ID};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let faults = Faults::seeded(7).deliver_twice(0.1).lose_acks(0.1).disconnect(0.01);
/// let app = TestApp::builder().provide(faults).linked([MESSAGING_SERVICE_ID]).start().await;
/// # app.stop().await.expect_clean();
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults {
    seed: Option<u64>,
    twice: f64,
    lost_acks: f64,
    disconnects: f64,
    pub(super) fetches_ahead: bool,
    pub(super) memory_bytes: Option<u64>,
    pub(super) message_bytes: Option<usize>,
}

impl Faults {
    /// No faults yet; the seed decides when they happen.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { seed: Some(seed), ..Self::default() }
    }

    /// This share of deliveries, 0 to 1, is delivered once more at once.
    #[must_use]
    pub fn deliver_twice(mut self, share: f64) -> Self {
        self.twice = share;
        self
    }

    /// This share of acknowledgements, 0 to 1, is lost: of stored messages, and of handled ones before or after they count.
    #[must_use]
    pub fn lose_acks(mut self, share: f64) -> Self {
        self.lost_acks = share;
        self
    }

    /// The streams hold this many bytes in all, in place of 256 MiB. Beyond it they refuse messages.
    #[must_use]
    pub fn hold_at_most(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// A message has at most this many bytes with its headers, as a server has a limit (`max_payload`).
    #[must_use]
    pub fn take_at_most(mut self, bytes: usize) -> Self {
        self.message_bytes = Some(bytes);
        self
    }

    /// A pull gets all that it asked for at once, as from a server, and not one by one.
    #[cfg(test)]
    pub(crate) fn fetch_ahead(mut self) -> Self {
        self.fetches_ahead = true;
        self
    }

    /// At this share of calls, 0 to 1, the connection goes away for up to 2 s. Calls that provide streams and buckets do not count.
    #[must_use]
    pub fn disconnect(mut self, share: f64) -> Self {
        self.disconnects = share;
        self
    }
}

/// What becomes of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AckFate {
    Arrives,
    /// It is lost on its way, and nothing happens.
    LostBefore,
    /// It happens, and the answer is lost.
    LostAfter,
}

/// Faults in the course of a test.
#[derive(Debug)]
pub(super) struct Dice {
    faults: Faults,
    random: fastrand::Rng,
    away_until: Option<Instant>,
    /// Settlements count until then, and nobody learns of that.
    unanswered_until: Option<Instant>,
}

impl Dice {
    pub(super) fn new(faults: Faults) -> Self {
        let random = faults.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self { faults, random, away_until: None, unanswered_until: None }
    }

    fn falls(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.f64() < share
    }

    pub(super) fn delivers_twice(&mut self) -> bool {
        self.falls(self.faults.twice)
    }

    pub(super) fn ack_fate(&mut self) -> AckFate {
        match (self.falls(self.faults.lost_acks), self.random.bool()) {
            (false, _) => AckFate::Arrives,
            (true, false) => AckFate::LostBefore,
            (true, true) => AckFate::LostAfter,
        }
    }

    /// The connection may go away.
    pub(super) fn roll(&mut self, now: Instant) {
        if self.connected(now) && self.falls(self.faults.disconnects) {
            self.away_until = Some(now + Duration::from_millis(self.random.u64(1..2_000)));
        }
    }

    /// Whether there is a connection.
    pub(super) fn connected(&self, now: Instant) -> bool {
        self.away_until.is_none_or(|until| now >= until)
    }

    /// What becomes of a settlement and its answer.
    pub(super) fn settlement_fate(&mut self, now: Instant) -> AckFate {
        if self.unanswered_until.is_some_and(|until| now < until) {
            return AckFate::LostAfter;
        }
        self.ack_fate()
    }

    /// Whether a pull gets all that it asked for at once.
    pub(super) fn fetches_ahead(&self) -> bool {
        self.faults.fetches_ahead
    }

    /// Loses the answers to settlements.
    #[cfg(test)]
    pub(super) fn answer_nothing(&mut self, until: Instant) {
        self.unanswered_until = Some(until);
    }

    /// Takes the connection away.
    #[cfg(test)]
    pub(super) fn cut_off(&mut self, until: Instant) {
        self.away_until = Some(until);
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        if length < 2 { 0 } else { self.random.usize(..length) }
    }
}
