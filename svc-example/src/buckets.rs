//! The buckets: a state machine without tasks, locks or a clock of its own.
//!
//! Invariants, for each rule:
//! 1. A key without a bucket has a full one: so a bucket that is full again can go at any time, and nobody can tell.
//! 2. There are never more than `max_keys` buckets.
//! 3. `keys` and `order` hold the same buckets; `order` has the fullest first and, among equals, the one idle longest.
//!    (Of two buckets that fill alike, the one that will be full earlier is the fuller one at every moment before, so
//!    that this order does not change while time passes.)
//! 4. The work of a call is logarithmic in the number of keys, whatever there is to clean up.
//!
//! And for all of them:
//!
//! 5. A call is under the rules that are in effect when it is run, or it is sent back: a request of other rules is not
//!    taken for one of these.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Grant, Limits, Rule,
    limits::Request,
    rate::{Rate, Ticks},
};

/// How many full buckets a call clears away: more than the one that it may add, so that they become fewer.
const CLEARED_BY_A_CALL: usize = 2;

/// Buckets of permits by rule and key.
pub struct Buckets {
    limits: Limits,
    /// One for each rule, in their order.
    tables: Vec<Table>,
    clock: Box<dyn Fn() -> Instant + Send>,
    made: Instant,
    /// Whose turn it is to be cleared first.
    turn: usize,
}

struct Table {
    rate: Rate,
    max_keys: usize,
    keys: HashMap<Arc<str>, Place>,
    order: BTreeMap<Place, Arc<str>>,
    calls: u64,
    displaced: u64,
}

/// A bucket's place in the order, which is all that there is to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    full_at: Ticks,
    /// The number of the call that asked last: no two buckets have the same.
    asked: u64,
}

impl Buckets {
    /// Buckets for these rules, all of them full. The clock is asked once for each call; if it goes back, buckets wait.
    #[must_use]
    pub fn new(limits: &Limits, clock: impl Fn() -> Instant + Send + 'static) -> Self {
        let made = clock();
        let tables = limits.rules().iter().map(Table::new).collect();
        Self { limits: limits.clone(), tables, clock: Box::new(clock), made, turn: 0 }
    }

    /// Takes all the permits of the request, or none. `None` if the request is not one of the rules in effect, and has to be
    /// made anew.
    pub fn acquire(&mut self, request: &Request) -> Option<Grant> {
        if request.limits != self.limits.number() {
            return None;
        }
        let elapsed = self.elapsed();
        self.tables.get_mut(request.rule).map(|table| table.acquire(request, elapsed))
    }

    /// Puts other rules in effect. Buckets of a rule whose name stays hold what they held, and no more than its new burst; a full
    /// one is full afterwards. Those of other rules go.
    ///
    /// For a rule whose rate changes this looks at every bucket once: some 50 ms for 100,000 keys, in which calls wait.
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
        self.turn = 0;
    }

    /// The rules in effect.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Removes buckets that are full again, at most so many, and says how many.
    pub fn clear(&mut self, at_most: usize) -> usize {
        let elapsed = self.elapsed();
        let tables = self.tables.len();
        let mut cleared = 0;
        for turn in 0..tables {
            if let Some(table) = self.tables.get_mut((self.turn + turn) % tables) {
                cleared += table.clear(table.rate.moment(elapsed), at_most - cleared);
                table.give_memory_back();
            }
        }
        self.turn = (self.turn + 1) % tables.max(1);
        cleared
    }

    /// How many keys have a bucket.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.tables.iter().map(|table| table.keys.len()).sum()
    }

    /// For each rule in turn, how many buckets that were not full had to make room since this was last asked: from
    /// these keys permits are granted too generously, and `max_keys` is too small.
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

    /// The same buckets under a rule that has changed.
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
        self.give_memory_back();
        self
    }

    fn acquire(&mut self, request: &Request, elapsed: Duration) -> Grant {
        let now = self.rate.moment(elapsed);
        self.calls += 1;
        self.clear(now, CLEARED_BY_A_CALL);
        let before = self.keys.get(&*request.key).map_or(now, |place| place.full_at);
        let taken = self.rate.take(before, now, request.permits);
        let full_at = *taken.as_ref().unwrap_or(&before);
        self.put(&request.key, Place { full_at, asked: self.calls });
        Grant {
            granted: taken.is_ok(),
            remaining: self.rate.remaining(full_at, now),
            retry_after: taken.err().unwrap_or_default(),
        }
    }

    /// Puts a key in its new place, where there is always room.
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

    /// Makes room for another bucket: the fullest goes. It is not full, since that would have been cleared before.
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

    fn give_memory_back(&mut self) {
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
