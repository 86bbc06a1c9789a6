//! Which traces are sampled.
//!
//! Invariants:
//! 1. The decision for a new trace depends on its id alone, by the rule of OpenTelemetry's `TraceIdRatioBased`: other programs with
//!    the same ratio decide alike.
//! 2. A parent from a verified peer decides for its trace. A parent from any other peer can make at most [`UNVERIFIED_PER_SECOND`]
//!    traces a second sampled.
//! 3. A decision takes no lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How many traces a second peers that are not verified may have sampled, all together.
pub const UNVERIFIED_PER_SECOND: u32 = 100;

/// How traces are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SamplingRule {
    /// Whether the decision of a parent counts.
    pub(crate) by_parent: bool,
    /// The part of new traces that is sampled: 0 to 1.
    pub(crate) ratio: f64,
}

impl Default for SamplingRule {
    fn default() -> Self {
        Self { by_parent: true, ratio: 1.0 }
    }
}

/// What is known of the parent of a span that comes from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemoteParent {
    pub(crate) sampled: bool,
    /// Whether the peer that sent it is verified.
    pub(crate) verified: bool,
}

/// Decides. All threads share one.
#[derive(Debug)]
pub(crate) struct Sampling {
    /// Ids whose number is below this are sampled.
    bound: AtomicU64,
    by_parent: AtomicBool,
    /// The second since `began`, in the upper half, and the traces of unverified peers sampled in it.
    taken: AtomicU64,
    began: Instant,
}

/// The bound of the ratio 1: ids count by 63 bits.
const ALL: u64 = 1 << 63;

impl Sampling {
    pub(crate) fn new(rule: SamplingRule) -> Self {
        let sampling = Self {
            bound: AtomicU64::new(0),
            by_parent: AtomicBool::new(true),
            taken: AtomicU64::new(0),
            began: Instant::now(),
        };
        sampling.set(rule);
        sampling
    }

    /// Decides by another rule from now on.
    pub(crate) fn set(&self, rule: SamplingRule) {
        let bound = if rule.ratio >= 1.0 {
            ALL
        } else {
            // 0 to 2^63: a float of this size has no fraction that matters.
            (rule.ratio.max(0.0) * ALL as f64) as u64
        };
        self.bound.store(bound, Ordering::Relaxed);
        self.by_parent.store(rule.by_parent, Ordering::Relaxed);
    }

    /// The rule for new traces as a number (invariant 1): one is sampled if the number of its id is below.
    pub(crate) fn bound(&self) -> u64 {
        self.bound.load(Ordering::Relaxed)
    }

    /// Whether a verified parent decides for its trace.
    pub(crate) fn is_by_parent(&self) -> bool {
        self.by_parent.load(Ordering::Relaxed)
    }

    /// Whether a new trace with this id is sampled (invariant 1).
    pub(crate) fn of_id(&self, trace_id: [u8; 16]) -> bool {
        let [.., a, b, c, d, e, f, g, h] = trace_id;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.bound()
    }

    /// Whether the part of a trace that begins in this process is sampled.
    pub(crate) fn decide(&self, trace_id: [u8; 16], parent: Option<RemoteParent>) -> bool {
        match parent.filter(|_| self.is_by_parent()) {
            None => self.of_id(trace_id),
            Some(RemoteParent { sampled, verified: true }) => sampled,
            // Invariant 2. The peer may have chosen the id too, so the cap holds for what the ratio lets through.
            Some(RemoteParent { sampled, verified: false }) => {
                (sampled || self.of_id(trace_id)) && self.take_unverified(self.began.elapsed())
            }
        }
    }

    fn take_unverified(&self, since: Duration) -> bool {
        let second = since.as_secs() << 32;
        let take = |taken: u64| {
            if taken & !u64::from(u32::MAX) != second {
                return Some(second | 1);
            }
            (taken & u64::from(u32::MAX) < u64::from(UNVERIFIED_PER_SECOND)).then_some(taken + 1)
        };
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(by_parent: bool, ratio: f64) -> Sampling {
        Sampling::new(SamplingRule { by_parent, ratio })
    }

    /// An id whose lower half is this number.
    fn id(low: u64) -> [u8; 16] {
        let mut id = [0xff; 16];
        id[8..].copy_from_slice(&low.to_be_bytes());
        id
    }

    #[tokio::test]
    async fn a_new_trace_is_sampled_by_the_lower_half_of_its_id() {
        let half = with(true, 0.5);
        for (low, sampled) in [(0, true), ((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)] {
            assert_eq!(half.decide(id(low), None), sampled, "{low:x}");
        }
        assert!(!with(true, 0.0).decide(id(0), None) && with(true, 1.0).decide(id(u64::MAX), None));
        // What OpenTelemetry's SDKs in Go, Python and Rust decide for these ids.
        let tenth = with(true, 0.1);
        assert!(tenth.decide(id(0x1999_9999_9999_9000), None));
        assert!(!tenth.decide(id(0x1999_9999_9999_a000), None));
    }

    #[tokio::test]
    async fn a_verified_parent_decides_and_others_do_not() {
        let none = with(true, 0.0);
        let parent = |sampled, verified| Some(RemoteParent { sampled, verified });
        assert!(none.decide(id(9), parent(true, true)) && none.decide(id(9), parent(true, false)));
        let all = with(true, 1.0);
        assert!(!all.decide(id(9), parent(false, true)) && all.decide(id(9), parent(false, false)));
        let always = with(false, 1.0);
        assert!(always.decide(id(9), parent(false, true)));
        assert!(!with(false, 0.0).decide(id(9), parent(true, true)));
    }

    #[tokio::test(start_paused = true)]
    async fn unverified_peers_share_a_cap_a_second() {
        let sampling = with(true, 1.0);
        let asked = || {
            let parent = Some(RemoteParent { sampled: true, verified: false });
            (0..1_000).filter(|n| sampling.decide(id(*n), parent)).count()
        };
        assert_eq!((asked(), asked()), (UNVERIFIED_PER_SECOND as usize, 0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(asked(), UNVERIFIED_PER_SECOND as usize);
        let verified = Some(RemoteParent { sampled: true, verified: true });
        assert!((0..1_000).all(|n| sampling.decide(id(n), verified)));
    }
}
