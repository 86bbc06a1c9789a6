//! A simple model of the buckets: levels that are filled at each call, and lists that are searched.

use std::time::Duration;

use crate::{Grant, Rule};

/// A permit is divided into parts, one for each nanosecond of the period. So a nanosecond adds a whole number of parts.
type Parts = u128;

pub(super) struct Model {
    rule: Rule,
    keys: Vec<Key>,
    now: u128,
    calls: u64,
    pub(super) displaced: u64,
}

struct Key {
    name: String,
    level: Parts,
    asked: u64,
}

impl Model {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, keys: Vec::new(), now: 0, calls: 0, displaced: 0 }
    }

    fn permit(&self) -> Parts {
        u128::from(self.rule.period_millis.get()) * 1_000_000
    }

    fn full(&self) -> Parts {
        u128::from(self.rule.burst.get()) * self.permit()
    }

    fn added(&self, nanoseconds: u128) -> Parts {
        nanoseconds * u128::from(self.rule.permits.get())
    }

    pub(super) fn acquire(&mut self, key: &str, permits: u32, now: Duration) -> Grant {
        let added = self.added(now.as_nanos() - self.now);
        self.now = now.as_nanos();
        self.calls += 1;
        let full = self.full();
        for key in &mut self.keys {
            key.level = full.min(key.level + added);
        }
        // A full bucket equals no bucket.
        self.keys.retain(|key| key.level < full);
        let wanted = u128::from(permits) * self.permit();
        let index = self.find_or_admit(key);
        let key = &mut self.keys[index];
        key.asked = self.calls;
        let granted = key.level >= wanted;
        if granted {
            key.level -= wanted;
        }
        let level = key.level;
        Grant {
            granted,
            remaining: u32::try_from(level / self.permit()).unwrap(),
            retry_after: if granted { Duration::ZERO } else { self.time_to_add(wanted - level) },
        }
    }

    fn find_or_admit(&mut self, name: &str) -> usize {
        if let Some(index) = self.keys.iter().position(|key| key.name == name) {
            return index;
        }
        if self.keys.len() as u64 >= u64::from(self.rule.max_keys.get()) {
            let fullest = self.keys.iter().map(|key| key.level).max().unwrap();
            let equally_full = self.keys.iter().enumerate().filter(|(_, key)| key.level == fullest);
            let (index, _) = equally_full.min_by_key(|(_, key)| key.asked).unwrap();
            self.keys.remove(index);
            self.displaced += 1;
        }
        self.keys.push(Key { name: name.to_owned(), level: self.full(), asked: 0 });
        self.keys.len() - 1
    }

    /// The nanoseconds until this many parts are added, rounded up.
    fn time_to_add(&self, parts: Parts) -> Duration {
        let whole = parts / self.added(1);
        let nanoseconds = if self.added(whole) == parts { whole } else { whole + 1 };
        Duration::new(
            u64::try_from(nanoseconds / 1_000_000_000).unwrap(),
            u32::try_from(nanoseconds % 1_000_000_000).unwrap(),
        )
    }
}
