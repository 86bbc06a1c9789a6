//! The keys that this instance knows, within `maxKeys` of each rule.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::handle::FleetRule;
use super::held::{Chunk, Held};

/// How long a key without permits and without calls is remembered.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Keys that are looked at to make room for a new one.
const TRIED_FOR_ROOM: usize = 8;

/// A key under a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyId {
    pub(super) rule: Arc<str>,
    pub(super) key: Arc<str>,
}

/// The keys of all rules.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<Arc<str>, RuleKeys>);

#[derive(Debug)]
struct RuleKeys {
    rule: Arc<FleetRule>,
    keys: HashMap<Arc<str>, Held>,
    /// Each key once, the one that was looked at longest ago first.
    order: VecDeque<Arc<str>>,
}

impl Keys {
    /// The key under this rule. `None` if the rule has no room for one more.
    pub(super) fn entry(&mut self, rule: &Arc<FleetRule>, key: &str) -> Option<(KeyId, &mut Held)> {
        if !self.0.contains_key(&*rule.rule.name) {
            let table = RuleKeys { rule: Arc::clone(rule), keys: HashMap::new(), order: VecDeque::new() };
            self.0.insert(rule.rule.name.as_str().into(), table);
        }
        let name = Arc::clone(self.0.get_key_value(&*rule.rule.name)?.0);
        let table = self.0.get_mut(&name)?;
        table.rule = Arc::clone(rule);
        let key = table.admit(key)?;
        let held = table.keys.get_mut(&key)?;
        held.touched = Instant::now();
        Some((KeyId { rule: name, key }, held))
    }

    /// A key that is known, with its rule.
    pub(super) fn get(&mut self, id: &KeyId) -> Option<(&Arc<FleetRule>, &mut Held)> {
        let table = self.0.get_mut(&id.rule)?;
        Some((&table.rule, table.keys.get_mut(&id.key)?))
    }

    /// Forgets the rules that are not among these.
    pub(super) fn retain(&mut self, rules: &[Arc<FleetRule>]) {
        self.0.retain(|name, _| rules.iter().any(|fleet| fleet.rule.name == **name));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|table| table.keys.is_empty())
    }

    /// Looks at up to `at_most` keys of each rule: takes out chunks that are over, and forgets keys that are not used.
    pub(super) fn sweep(&mut self, now: Instant, at_most: usize) -> Vec<(KeyId, Chunk)> {
        let mut unspent = Vec::new();
        for (rule, table) in &mut self.0 {
            for _ in 0..at_most.min(table.order.len()) {
                let Some(key) = table.order.pop_front() else { break };
                let Some(held) = table.keys.get_mut(&key) else { continue };
                let id = || KeyId { rule: Arc::clone(rule), key: Arc::clone(&key) };
                unspent.extend(held.expired(now).into_iter().map(|chunk| (id(), chunk)));
                if held.is_idle() && now.duration_since(held.touched) >= REMEMBERED {
                    table.keys.remove(&key);
                } else {
                    table.order.push_back(key);
                }
            }
            if table.keys.len() < table.keys.capacity() / 8 {
                table.keys.shrink_to(table.keys.len() * 2);
            }
        }
        unspent
    }

    /// Takes out everything, for the stop.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Arc<FleetRule>, Arc<str>, Held)> {
        let tables = std::mem::take(&mut self.0).into_values();
        tables.flat_map(|RuleKeys { rule, keys, .. }| {
            keys.into_iter().map(move |(key, held)| (Arc::clone(&rule), key, held))
        })
    }
}

impl RuleKeys {
    fn admit(&mut self, key: &str) -> Option<Arc<str>> {
        if let Some((known, _)) = self.keys.get_key_value(key) {
            return Some(Arc::clone(known));
        }
        let most = usize::try_from(self.rule.rule.max_keys.get()).unwrap_or(usize::MAX);
        for _ in 0..TRIED_FOR_ROOM {
            if self.keys.len() < most {
                break;
            }
            let oldest = self.order.pop_front()?;
            // Permits that nobody asks for now are lost with it: less is granted, never more.
            if self.keys.get(&oldest).is_none_or(|held| !held.busy && held.waiting.is_empty()) {
                self.keys.remove(&oldest);
            } else {
                self.order.push_back(oldest);
            }
        }
        if self.keys.len() >= most {
            return None;
        }
        let key = Arc::<str>::from(key);
        self.keys.insert(Arc::clone(&key), Held::new());
        self.order.push_back(Arc::clone(&key));
        Some(key)
    }
}
