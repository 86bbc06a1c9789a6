//! Which events an old link has forwarded, so that a new one leaves them out.
//!
//! 1. Events that are equal in all their bytes are counted: as many are left out as were forwarded.
//! 2. An entry is forgotten after [`LAG`], or when there are more than [`MOST`].

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::transport::Incoming;

/// How much later than the old link the new one may get an event.
const LAG: Duration = Duration::from_secs(5);

/// The most events that are remembered.
const MOST: usize = 4_096;

/// What was forwarded of late.
#[derive(Default)]
pub(super) struct Recent {
    hasher: RandomState,
    /// In the order of time.
    order: VecDeque<Forwarded>,
    /// How many entries have a hash.
    counts: HashMap<u64, u32>,
}

struct Forwarded {
    at: Instant,
    /// The number of the last link that got the event.
    link: u64,
    hash: u64,
}

impl Recent {
    /// Remembers an event that this link forwards.
    pub(super) fn remember(&mut self, link: u64, event: &Incoming) {
        self.forget();
        if self.order.len() == MOST {
            self.forget_first();
        }
        let hash = self.hash(event);
        self.order.push_back(Forwarded { at: Instant::now(), link, hash });
        *self.counts.entry(hash).or_default() += 1;
    }

    /// Whether another link has forwarded the event that this one got. Each entry counts once for a link.
    pub(super) fn is_copy(&mut self, link: u64, event: &Incoming) -> bool {
        if self.order.is_empty() {
            return false;
        }
        self.forget();
        let hash = self.hash(event);
        if !self.counts.contains_key(&hash) {
            return false;
        }
        let same = |entry: &&mut Forwarded| entry.hash == hash && entry.link != link;
        let Some(entry) = self.order.iter_mut().find(same) else { return false };
        // The next link may get its copy later still.
        entry.link = link;
        true
    }

    /// Forgets what is old. The memory is given back with the last entry.
    fn forget(&mut self) {
        while self.order.front().is_some_and(|first| first.at.elapsed() > LAG) {
            self.forget_first();
        }
        if self.order.is_empty() && self.order.capacity() > 0 {
            (self.order, self.counts) = (VecDeque::new(), HashMap::new());
        }
    }

    fn forget_first(&mut self) {
        let Some(first) = self.order.pop_front() else { return };
        if let Some(count) = self.counts.get_mut(&first.hash) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&first.hash);
            }
        }
    }

    /// The client has headers in no order.
    fn hash(&self, event: &Incoming) -> u64 {
        let headers = event.headers.iter().map(|header| self.hasher.hash_one(header));
        let headers = headers.fold(0, u64::wrapping_add);
        self.hasher.hash_one((&event.subject, &event.reply, &event.payload, headers))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wire::Headers;

    fn event(payload: &str, headers: &[(&str, &str)]) -> Incoming {
        let mut all = Headers::new();
        headers.iter().for_each(|(name, value)| all.append(name, value));
        let payload = payload.to_owned().into();
        Incoming { subject: "event.x".into(), reply: None, headers: Arc::new(all), payload }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_are_left_out_as_were_forwarded() {
        let mut recent = Recent::default();
        (0..2).for_each(|_| recent.remember(1, &event("tick", &[])));
        recent.remember(1, &event("other", &[]));
        let again = (0..3).map(|_| recent.is_copy(2, &event("tick", &[]))).collect::<Vec<_>>();
        assert_eq!(again, [true, true, false]);
        assert!(!recent.is_copy(2, &event("never", &[])));
        assert!(recent.is_copy(2, &event("other", &[])));
        // A third link gets its copies after the second one.
        assert!(recent.is_copy(3, &event("other", &[])));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_does_not_leave_out_what_it_forwarded_itself() {
        let mut recent = Recent::default();
        recent.remember(2, &event("tick", &[]));
        assert!(!recent.is_copy(2, &event("tick", &[])));
        assert!(recent.is_copy(3, &event("tick", &[])));
    }

    #[tokio::test(start_paused = true)]
    async fn headers_count_and_their_order_does_not() {
        let mut recent = Recent::default();
        recent.remember(1, &event("x", &[("a", "1"), ("b", "2")]));
        assert!(!recent.is_copy(2, &event("x", &[("a", "2"), ("b", "1")])));
        assert!(!recent.is_copy(2, &event("x", &[])));
        assert!(recent.is_copy(2, &event("x", &[("b", "2"), ("a", "1")])));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_or_too_much_is_forgotten() {
        let mut recent = Recent::default();
        for number in 0..MOST + 10 {
            recent.remember(1, &event(&number.to_string(), &[]));
        }
        assert_eq!((recent.order.len(), recent.counts.len()), (MOST, MOST));
        assert!(!recent.is_copy(2, &event("9", &[])));
        assert!(recent.is_copy(2, &event("10", &[])));
        tokio::time::advance(LAG + Duration::from_millis(1)).await;
        assert!(!recent.is_copy(2, &event("11", &[])));
        assert_eq!((recent.order.capacity(), recent.counts.capacity()), (0, 0));
    }
}
