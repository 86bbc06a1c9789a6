//! The state of the service: buckets of permits. It has no tasks, no locks and no clock of its own.
//!
//! Invariants of each rule:
//!
//! 1. A key without a bucket counts as a key with a full bucket. So a full bucket can be removed at any time.
//! 2. There are at most `max_keys` buckets.
//! 3. `keys` and `order` hold the same buckets. `order` has the fullest bucket first and, among equals, the one idle longest.
//!    All buckets of a rule fill at the same rate, so this order does not change while time passes.
//! 4. A call takes time logarithmic in the number of keys, even if many full buckets wait to be removed.
//!
//! Invariant of all rules:
//!
//! 5. A call runs under the rules that are in effect when it runs. A request that other rules checked is sent back.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Limits, Rule,
    limits::Request,
    rate::{Rate, Ticks},
};

/// Full buckets that a call removes. A call adds one bucket at most, so their number falls.
const CLEARED_BY_A_CALL: usize = 2;

/// The answer to a call of [`Quota::acquire`](crate::Quota::acquire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whether the permits were taken. A call takes all permits or none.
    pub granted: bool,
    /// Whole permits left in the bucket.
    pub remaining: u32,
    /// Time until the same call would be granted, if no other call takes permits meanwhile. Zero if the call was granted.
    pub retry_after: Duration,
}

/// Buckets of permits by rule and key.
pub struct Buckets {
    limits: Limits,
    /// One for each rule, in the order of the rules.
    tables: Vec<Table>,
    clock: Box<dyn Fn() -> Instant + Send>,
    made: Instant,
    /// Index of the table that the next `clear` begins with.
    first_to_clear: usize,
}

struct Table {
    rate: Rate,
    max_keys: usize,
    keys: HashMap<Arc<str>, Place>,
    order: BTreeMap<Place, Arc<str>>,
    calls: u64,
    displaced: u64,
}

/// A bucket's place in the order. It is the whole state of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    full_at: Ticks,
    /// Number of the last call for this key. It is unique among the buckets of a rule.
    asked: u64,
    /// Whether a call for this key was denied since one was granted. The order does not depend on it: `asked` is unique.
    denied: bool,
}

/// What a call of [`Buckets::answer`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) grant: Grant,
    /// Whether the key was denied for the first time since it was last granted.
    pub(crate) ran_out: bool,
}

impl Buckets {
    /// Makes full buckets for these rules. Each call reads the clock once. If the clock goes back, buckets do not fill until the
    /// clock has caught up.
    #[must_use]
    pub fn new(limits: &Limits, clock: impl Fn() -> Instant + Send + 'static) -> Self {
        let made = clock();
        let tables = limits.rules().iter().map(Table::new).collect();
        Self { limits: limits.clone(), tables, clock: Box::new(clock), made, first_to_clear: 0 }
    }

    /// Takes all permits of the request, or none. Returns `None` if other rules checked the request; the caller then makes the
    /// request again.
    pub fn acquire(&mut self, request: &Request) -> Option<Grant> {
        self.answer(request).map(|answered| answered.grant)
    }

    /// As [`acquire`](Self::acquire). Says whether the key ran out by this call, too.
    pub(crate) fn answer(&mut self, request: &Request) -> Option<Answered> {
        if request.limits != self.limits.number() {
            return None;
        }
        let elapsed = self.elapsed();
        self.tables.get_mut(request.rule).map(|table| table.acquire(request, elapsed))
    }

    /// Permits left of a key. `None` if there is no such rule.
    #[must_use]
    pub fn remaining(&self, rule: &str, key: &str) -> Option<u32> {
        let table = self.tables.get(self.limits.position(rule)?)?;
        let now = table.rate.moment(self.elapsed());
        Some(table.rate.remaining(table.keys.get(key).map_or(now, |place| place.full_at), now))
    }

    /// Makes the bucket of a key full. `None` if there is no such rule.
    pub fn refill(&mut self, rule: &str, key: &str) -> Option<()> {
        let table = self.tables.get_mut(self.limits.position(rule)?)?;
        if let Some(place) = table.keys.remove(key) {
            table.order.remove(&place);
        }
        Some(())
    }

    /// Replaces the rules. A rule that keeps its name keeps its buckets. Each of them keeps its permits up to the new burst, and a
    /// full bucket stays full. Buckets of other rules are removed.
    ///
    /// If the rate of a rule changes, this visits all buckets of the rule: about 50 ms for 100,000 keys, during which calls wait.
    pub fn reload(&mut self, limits: &Limits) {
        let elapsed = self.elapsed();
        let mut before: Vec<_> = std::mem::take(&mut self.tables).into_iter().map(Some).collect();
        let mut kept = |rule: &Rule| before.get_mut(self.limits.position(&rule.name)?)?.take();
        let tables = limits.rules().iter().map(|rule| match kept(rule) {
            Some(table) => table.refit(rule, elapsed),
            None => Table::new(rule),
        });
        self.tables = tables.collect();
        self.limits = limits.clone();
        self.first_to_clear = 0;
    }

    /// Removes all buckets of a rule, and returns how many. Their keys start again with full buckets. `None` if there is no such rule.
    pub fn forget(&mut self, rule: &str) -> Option<usize> {
        let position = self.limits.position(rule)?;
        let (rule, table) = (self.limits.rules().get(position)?, self.tables.get_mut(position)?);
        let before = std::mem::replace(table, Table::new(rule));
        table.displaced = before.displaced;
        Some(before.keys.len())
    }

    /// The rules in effect.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Removes up to `at_most` full buckets, and returns how many it removed.
    pub fn clear(&mut self, at_most: usize) -> usize {
        let elapsed = self.elapsed();
        let tables = self.tables.len();
        let mut cleared = 0;
        for offset in 0..tables {
            if let Some(table) = self.tables.get_mut((self.first_to_clear + offset) % tables) {
                cleared += table.clear(table.rate.moment(elapsed), at_most - cleared);
                table.shrink();
            }
        }
        self.first_to_clear = (self.first_to_clear + 1) % tables.max(1);
        cleared
    }

    /// Number of keys that have a bucket.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.tables.iter().map(|table| table.keys.len()).sum()
    }

    /// For each rule, the buckets that were removed before they were full, since the last call. Their keys get too many permits,
    /// and `max_keys` is too small.
    pub fn take_displaced(&mut self) -> Vec<u64> {
        self.tables.iter_mut().map(|table| std::mem::take(&mut table.displaced)).collect()
    }

    fn elapsed(&self) -> Duration {
        (self.clock)().saturating_duration_since(self.made)
    }
}

impl Table {
    fn new(rule: &Rule) -> Self {
        Self {
            rate: Rate::new(rule),
            max_keys: usize::try_from(rule.max_keys.get()).unwrap_or(usize::MAX),
            keys: HashMap::new(),
            order: BTreeMap::new(),
            calls: 0,
            displaced: 0,
        }
    }

    /// Moves the buckets to a changed rule.
    fn refit(mut self, rule: &Rule, elapsed: Duration) -> Self {
        let fresh = Self::new(rule);
        let before = std::mem::replace(&mut self.rate, fresh.rate);
        self.max_keys = fresh.max_keys;
        if self.rate != before {
            let order = std::mem::take(&mut self.order);
            let mut refitted = Vec::with_capacity(order.len());
            for (place, key) in order {
                let Some(full_at) = self.rate.refit(&before, place.full_at, elapsed) else {
                    self.keys.remove(&key);
                    continue;
                };
                let place = Place { full_at, ..place };
                if let Some(held) = self.keys.get_mut(&key) {
                    *held = place;
                }
                refitted.push((place, key));
            }
            self.order = refitted.into_iter().collect();
        }
        self.clear(self.rate.moment(elapsed), usize::MAX);
        while self.keys.len() > self.max_keys {
            self.displace();
        }
        self.shrink();
        self
    }

    fn acquire(&mut self, request: &Request, elapsed: Duration) -> Answered {
        let now = self.rate.moment(elapsed);
        self.calls += 1;
        self.clear(now, CLEARED_BY_A_CALL);
        let (before, was_denied) =
            self.keys.get(&*request.key).map_or((now, false), |place| (place.full_at, place.denied));
        let taken = self.rate.take(before, now, request.permits);
        let full_at = *taken.as_ref().unwrap_or(&before);
        let denied = taken.is_err();
        self.put(&request.key, Place { full_at, asked: self.calls, denied });
        let grant = Grant {
            granted: !denied,
            remaining: self.rate.remaining(full_at, now),
            retry_after: taken.err().unwrap_or_default(),
        };
        Answered { grant, ran_out: denied && !was_denied }
    }

    /// Gives a key its new place. If the key is new and the table is full, another bucket makes room.
    fn put(&mut self, key: &str, place: Place) {
        let before = self.keys.get_mut(key).map(|held| std::mem::replace(held, place));
        let held = before.and_then(|before| self.order.remove(&before));
        let key = held.unwrap_or_else(|| self.admit(key, place));
        self.order.insert(place, key);
    }

    fn admit(&mut self, key: &str, place: Place) -> Arc<str> {
        if self.keys.len() >= self.max_keys {
            self.displace();
        }
        let key = Arc::<str>::from(key);
        self.keys.insert(Arc::clone(&key), place);
        key
    }

    /// Removes the fullest bucket to make room. It is not full: the caller has removed full ones before.
    fn displace(&mut self) {
        if let Some((_, fullest)) = self.order.pop_first() {
            self.keys.remove(&fullest);
            self.displaced += 1;
        }
    }

    fn clear(&mut self, now: Ticks, at_most: usize) -> usize {
        let mut cleared = 0;
        while cleared < at_most
            && let Some(fullest) = self.order.first_entry()
            && fullest.key().full_at <= now
        {
            self.keys.remove(&fullest.remove());
            cleared += 1;
        }
        cleared
    }

    /// Frees memory that a flood of keys left behind.
    fn shrink(&mut self) {
        if self.keys.len() < self.keys.capacity() / 8 {
            self.keys.shrink_to(self.keys.len() * 2);
        }
    }
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buckets").field("rules", &self.tables.len()).field("keys", &self.keys()).finish()
    }
}

#[cfg(test)]
mod tests;
