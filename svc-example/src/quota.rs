//! The handle of the service: what dependents call.

use std::sync::Arc;

use app_core::prelude::*;
use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::{
    Buckets, Grant, Limits, QUOTA, QuotaConfig,
    buckets::Answered,
    fleet::{Fleet, FleetRule},
    metrics::{Outcomes, QuotaMetrics},
    notices::{Notice, Notices},
};

/// The handle of the quota service. Dependents take it as `Dep<Quota>` in their start function. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct Quota {
    commands: CommandServer<Buckets>,
    rules: Arc<ArcSwap<RuleSet>>,
    metrics: QuotaMetrics,
    fleet: Fleet,
    notices: Notices,
}

/// One set of rules, and the counters of these rules.
#[derive(Debug)]
struct RuleSet {
    limits: Limits,
    outcomes: Outcomes,
    /// The rules of the fleet, each in the place that it has in `limits`.
    of_fleet: Vec<Option<Arc<FleetRule>>>,
}

impl Exposed for Quota {
    const SERVICE: ServiceId = QUOTA;
}

impl Quota {
    pub(crate) fn new(
        commands: CommandServer<Buckets>,
        limits: Limits,
        metrics: QuotaMetrics,
        fleet: Fleet,
        notices: Notices,
    ) -> Result<Self, Error> {
        let rules = Arc::new(ArcSwap::from_pointee(RuleSet::new(limits, &metrics)?));
        Ok(Self { commands, rules, metrics, fleet, notices })
    }

    /// Tells the fleet its rules, once at the start.
    pub(crate) async fn share_rules(&self) -> Result<(), Error> {
        let rules = self.rules.load_full();
        self.fleet.set_rules(&rules.of_fleet).await
    }

    /// Takes `permits` from the bucket of `key` under `rule`, if the bucket holds enough. Under a rule of the fleet this may ask the
    /// servers of messaging, for a second at most.
    ///
    /// Not cancel safe: a call that is dropped early may still take the permits. During a reload, a call runs under either the
    /// old rules or the new rules.
    ///
    /// # Errors
    /// `IllegalArgument` for an unknown rule, an empty key or one of more than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES),
    /// no permits, or more than the burst of the rule. `ServiceNotAlive` once the service was killed.
    pub async fn acquire(&self, rule: &str, key: &str, permits: u32) -> Result<Grant, Error> {
        let began = Instant::now();
        loop {
            let rules = self.rules.load_full();
            let request = rules.limits.request(rule, key, permits)?;
            let (index, keys) = (request.rule, self.metrics.keys.clone());
            if let Some(Some(of_fleet)) = rules.of_fleet.get(index) {
                let grant = self.fleet.take(of_fleet, key, permits).await?;
                rules.outcomes.count(index, grant.granted);
                self.metrics.acquire_seconds.observe(began.elapsed().as_secs_f64());
                return Ok(grant);
            }
            let acquire = move |buckets: &mut Buckets| {
                let answered = buckets.answer(&request);
                keys.set(buckets.keys() as f64);
                answered
            };
            // None: the rules changed while the command waited. `self.rules` has the new rules by now.
            if let Some(Answered { grant, ran_out }) = self.commands.call(acquire).await? {
                rules.outcomes.count(index, grant.granted);
                if ran_out {
                    self.notices.tell(Notice::of_instance(rule, key, grant.retry_after));
                }
                self.metrics.acquire_seconds.observe(began.elapsed().as_secs_f64());
                return Ok(grant);
            }
        }
    }

    /// Permits that are left in the bucket of `key` under `rule`. Takes none.
    ///
    /// # Errors
    /// `IllegalArgument` for an unknown rule, an empty key or one that is too long. `ServiceNotAvailable` if the servers of messaging
    /// don't answer for a rule of the fleet. `ServiceNotAlive` once the service was killed.
    pub async fn remaining(&self, rule: &str, key: &str) -> Result<u32, Error> {
        let rules = self.rules.load_full();
        let request = rules.limits.request(rule, key, 1)?;
        if let Some(Some(of_fleet)) = rules.of_fleet.get(request.rule) {
            return self.fleet.remaining(of_fleet, key).await;
        }
        let (name, key) = (rule.to_owned(), request.key);
        let look = move |buckets: &mut Buckets| {
            buckets.remaining(&name, &key).ok_or_else(|| buckets.limits().unknown(&name))
        };
        self.commands.call(look).await?
    }

    /// Makes the bucket of `key` under `rule` full: that of this instance, or the shared one of a rule of the fleet.
    ///
    /// # Errors
    /// As [`remaining`](Self::remaining).
    pub async fn refill(&self, rule: &str, key: &str) -> Result<(), Error> {
        let rules = self.rules.load_full();
        let request = rules.limits.request(rule, key, 1)?;
        if let Some(Some(of_fleet)) = rules.of_fleet.get(request.rule) {
            return self.fleet.refill(of_fleet, key).await;
        }
        let (name, key) = (rule.to_owned(), request.key);
        let refill = move |buckets: &mut Buckets| {
            buckets.refill(&name, &key).ok_or_else(|| buckets.limits().unknown(&name))
        };
        self.commands.call(refill).await?
    }

    /// Drops all buckets of a rule, and returns how many. Their keys start again with full buckets. Of 100,000 buckets this takes
    /// a few milliseconds, during which calls wait.
    ///
    /// # Errors
    /// `IllegalArgument` for an unknown rule, and for a rule of the fleet. `ServiceNotAlive` once the service was killed.
    pub async fn forget(&self, rule: &str) -> Result<usize, Error> {
        let rules = self.rules.load_full();
        if rules.limits.position(rule).and_then(|index| rules.of_fleet.get(index)?.as_ref()).is_some() {
            let message = format!(
                "rule: the fleet shares the buckets of {}; refill keys instead",
                app_config::quoted(rule)
            );
            return Err(errors::ILLEGAL_ARGUMENT.error(QUOTA).message(message).build());
        }
        let (name, keys) = (rule.to_owned(), self.metrics.keys.clone());
        let forget = move |buckets: &mut Buckets| {
            let forgotten = buckets.forget(&name);
            keys.set(buckets.keys() as f64);
            forgotten.ok_or_else(|| buckets.limits().unknown(&name))
        };
        self.commands.call(forget).await?
    }

    /// The rules in effect, in the order of the config.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.rules.load().limits.clone()
    }

    /// Applies the rules of another config. Buckets of rules that stay keep their permits.
    ///
    /// # Errors
    /// `ServiceNotAlive` once the service was killed.
    pub(crate) async fn reload(&self, config: &QuotaConfig) -> Result<(), Error> {
        let limits = Limits::new(config);
        let fresh = Arc::new(RuleSet::new(limits.clone(), &self.metrics)?);
        self.fleet.set_rules(&fresh.of_fleet).await?;
        let (rules, keys) = (Arc::clone(&self.rules), self.metrics.keys.clone());
        let reload = move |buckets: &mut Buckets| {
            buckets.reload(&fresh.limits);
            keys.set(buckets.keys() as f64);
            // In the same command, so that a call that the buckets send back finds the new rules.
            rules.swap(fresh)
        };
        let before = self.commands.call(reload).await?;
        self.metrics.forget(&before.limits, &limits)
    }
}

impl RuleSet {
    fn new(limits: Limits, metrics: &QuotaMetrics) -> Result<Self, Error> {
        let outcomes = metrics.outcomes(&limits)?;
        let of_fleet = FleetRule::of(&limits);
        Ok(Self { limits, outcomes, of_fleet })
    }
}

/// [`Quota::acquire`] of the current app.
///
/// # Errors
/// `AppNotAlive` without an app, `ServiceNotAvailable` if the service does not run, otherwise as [`Quota::acquire`].
pub async fn acquire(rule: &str, key: &str, permits: u32) -> Result<Grant, Error> {
    app_core::compat::current()?.get::<Quota>()?.acquire(rule, key, permits).await
}
