//! The pauses between attempts to connect.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause, which doubles up to the longest.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause of a client while no caller waits. An attempt that is refused at once costs the other side almost nothing. One that
/// fails in the handshake costs it a handshake.
const LONGEST: Duration = Duration::from_secs(2);
const LONGEST_AFTER_HANDSHAKE: Duration = Duration::from_secs(10);

/// The pause while a caller waits, also a first one that doubles after failed handshakes.
const WHILE_WAITING: Duration = Duration::from_millis(100);
const LONGEST_WHILE_WAITING: Duration = Duration::from_secs(1);

/// A connection that ended sooner counts as a failure: an instance that accepts each connection and loses it would be asked without end.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// How an attempt to connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailedAt {
    /// There was no connection.
    Dialling,
    /// There was one, and no answer of the server on it.
    Handshake,
}

/// When the next attempt may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextAttempt {
    /// If a caller waits.
    pub(super) soonest: Instant,
    /// In any case.
    pub(super) latest: Instant,
}

/// The failed attempts in a row.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    failures: u32,
    handshakes: u32,
}

impl Pauses {
    /// Forgets the failures, because the config is new.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// When to try again after a failed attempt. Clients of one server do not do so at the same time.
    pub(super) fn failed(&mut self, at: FailedAt) -> NextAttempt {
        self.handshakes = if at == FailedAt::Handshake { self.handshakes.saturating_add(1) } else { 0 };
        let longest = if at == FailedAt::Handshake { LONGEST_AFTER_HANDSHAKE } else { LONGEST };
        let latest = doubled(FIRST, self.failures).min(longest);
        self.failures = self.failures.saturating_add(1);
        let soonest = doubled(WHILE_WAITING, self.handshakes.saturating_sub(1)).min(LONGEST_WHILE_WAITING);
        let (now, spread) = (Instant::now(), 0.75 + 0.5 * fastrand::f64());
        NextAttempt {
            soonest: now + latest.min(soonest).mul_f64(spread),
            latest: now + latest.mul_f64(spread),
        }
    }

    /// When to connect again after a connection was lost. At once, unless the instance loses each of them at once.
    pub(super) fn lost(&mut self, lived: Duration) -> NextAttempt {
        if lived < SHORT_LIFE && self.failures > 0 {
            return self.failed(FailedAt::Handshake);
        }
        self.reset();
        // The next one that lives as short is a failure.
        self.failures = u32::from(lived < SHORT_LIFE);
        NextAttempt { soonest: Instant::now(), latest: Instant::now() }
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times.min(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(pauses: &mut Pauses, at: FailedAt) -> (Duration, Duration) {
        let next = pauses.failed(at);
        (next.soonest - Instant::now(), next.latest - Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_caller_makes_a_pause_short_however_long_the_outage_was() {
        let mut outage = Pauses::default();
        for _ in 0..1000 {
            let (soonest, latest) = pauses(&mut outage, FailedAt::Dialling);
            assert!(soonest <= Duration::from_millis(125) && latest <= Duration::from_millis(2500));
            assert!(soonest >= Duration::from_millis(37));
        }
        let (soonest, latest) = pauses(&mut outage, FailedAt::Dialling);
        assert!(soonest >= Duration::from_millis(75) && latest >= Duration::from_millis(1500));
        // Handshakes cost the server something, so they become rare.
        let last = (0..20).map(|_| pauses(&mut outage, FailedAt::Handshake)).last().unwrap();
        assert!(last.0 >= Duration::from_millis(750) && last.1 >= Duration::from_millis(7500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_is_made_again_at_once_unless_each_is_lost_at_once() {
        let mut losses = Pauses::default();
        let now = Instant::now();
        let at_once = NextAttempt { soonest: now, latest: now };
        for _ in 0..3 {
            assert_eq!(losses.lost(Duration::from_secs(2)), at_once);
        }
        assert_eq!(losses.lost(Duration::from_millis(1)), at_once);
        for _ in 0..3 {
            assert!(losses.lost(Duration::from_millis(1)).soonest > now + Duration::from_millis(30));
        }
        assert_eq!(losses.lost(Duration::from_secs(2)), at_once);
    }
}
