//! What an instance grants by itself while the servers are away: its part of the budget.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::time::Instant;

use super::handle::FleetRule;
use crate::{Buckets, Grant, Limits, QuotaConfig, Rule, Scope, WhenAway};

/// Buckets of the rules with `localShare`, each with its part of the numbers.
#[derive(Debug)]
pub(super) struct Shares(Buckets);

impl Shares {
    pub(super) fn new() -> Self {
        Self(Buckets::new(&Limits::new(&QuotaConfig { rules: Vec::new() }), Instant::now))
    }

    pub(super) fn set_rules(&mut self, rules: &[Arc<FleetRule>]) {
        let rules = rules.iter().filter_map(|fleet| part(&fleet.rule)).collect();
        self.0.reload(&Limits::new(&QuotaConfig { rules }));
    }

    /// Takes permits. `None` if the rule grants nothing while the servers are away, or never that many.
    pub(super) fn take(&mut self, rule: &str, key: &str, permits: u32) -> Option<Grant> {
        let request = self.0.limits().request(rule, key, permits).ok()?;
        self.0.acquire(&request)
    }

    /// Counts permits that the shared bucket gave, so that the part is not full when the servers go away.
    pub(super) fn count(&mut self, rule: &str, key: &str, permits: u32) {
        if let Some(left) = self.0.remaining(rule, key) {
            self.take(rule, key, permits.min(left));
        }
    }

    /// Removes full buckets.
    pub(super) fn clear(&mut self, at_most: usize) {
        self.0.clear(at_most);
        self.0.take_displaced();
    }
}

/// The part of one instance.
fn part(rule: &Rule) -> Option<Rule> {
    let Scope::Fleet(WhenAway::LocalShare(instances)) = rule.scope else { return None };
    let instances = NonZeroU32::from(instances);
    let burst = NonZeroU32::new(rule.burst.get() / instances).unwrap_or(NonZeroU32::MIN);
    // A longer period for the same permits: a part of the permits would be rounded.
    Some(Rule { burst, period_millis: rule.period_millis.saturating_mul(instances), ..rule.clone() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::num::NonZeroU16;
    use std::time::Duration;

    use super::*;
    use crate::fleet::shared::SharedRate;

    #[tokio::test(start_paused = true)]
    async fn an_instance_grants_its_part_of_the_burst_and_of_the_rate() {
        let scope = Scope::Fleet(WhenAway::LocalShare(NonZeroU16::new(4).unwrap()));
        let rule = Rule { scope, ..Rule::default() };
        let fleet = Arc::new(FleetRule { rate: SharedRate::new(&rule), rule });
        let mut shares = Shares::new();
        shares.set_rules(&[fleet]);
        let grants = |shares: &mut Shares, tries| {
            (0..tries).filter(|_| shares.take("default", "a", 1).unwrap().granted).count()
        };
        assert_eq!(grants(&mut shares, 100), 25);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(grants(&mut shares, 100), 25);
        assert_eq!(shares.take("default", "a", 26), None, "never that many");
        tokio::time::sleep(Duration::from_secs(1)).await;
        shares.count("default", "a", 100);
        assert_eq!(grants(&mut shares, 1), 0);
    }
}
