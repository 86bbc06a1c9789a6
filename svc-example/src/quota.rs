//! The handle of the service: what dependents call.

use std::sync::Arc;

use app_core::prelude::*;
use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::{
    Buckets, Limits, QUOTA, QuotaConfig,
    metrics::{Outcomes, QuotaMetrics},
};

/// The quota service, as its dependents see it: `Dep<Quota>` in a start function. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Quota {
    commands: CommandServer<Buckets>,
    rules: Arc<ArcSwap<InEffect>>,
    metrics: QuotaMetrics,
}

/// Rules that are in effect together, and their counters.
#[derive(Debug)]
struct InEffect {
    limits: Limits,
    outcomes: Outcomes,
}

impl Exposed for Quota {
    const SERVICE: ServiceId = QUOTA;
}

/// The answer to a call that asked for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whether the permits were taken: all of them, or none.
    pub granted: bool,
    /// How many whole permits are left.
    pub remaining: u32,
    /// After how long the same call would be granted, if nobody else took any permits; zero when it was granted.
    pub retry_after: Duration,
}

impl Quota {
    pub(crate) fn new(
        commands: CommandServer<Buckets>,
        limits: Limits,
        metrics: QuotaMetrics,
    ) -> Result<Self, Error> {
        let rules = Arc::new(ArcSwap::from_pointee(InEffect::new(limits, &metrics)?));
        Ok(Self { commands, rules, metrics })
    }

    /// Takes `permits` from the bucket that `key` has under `rule`, if they are there.
    ///
    /// Dropped before it is ready, it may still have taken them. While the rules are reloaded, it is answered under the old ones
    /// or under the new ones.
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
            let acquire = move |buckets: &mut Buckets| {
                let grant = buckets.acquire(&request);
                keys.set(buckets.keys() as f64);
                grant
            };
            // None: the rules were reloaded while it waited for its turn. Those that did it are loaded by now.
            if let Some(grant) = self.commands.call(acquire).await? {
                rules.outcomes.count(index, grant.granted);
                self.metrics.acquire_seconds.observe(began.elapsed().as_secs_f64());
                return Ok(grant);
            }
        }
    }

    /// The rules in effect, in the order of the config.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.rules.load().limits.clone()
    }

    /// Puts the rules of another config in effect. What the buckets of rules that stay hold, they go on to hold.
    ///
    /// # Errors
    /// `ServiceNotAlive` once the service was killed.
    pub(crate) async fn reload(&self, config: &QuotaConfig) -> Result<(), Error> {
        let limits = Limits::new(config);
        let fresh = Arc::new(InEffect::new(limits.clone(), &self.metrics)?);
        let (rules, keys) = (Arc::clone(&self.rules), self.metrics.keys.clone());
        let reload = move |buckets: &mut Buckets| {
            buckets.reload(&fresh.limits);
            keys.set(buckets.keys() as f64);
            // One command: who is sent back by the buckets finds the rules that they have.
            rules.swap(fresh)
        };
        let before = self.commands.call(reload).await?;
        self.metrics.forget(&before.limits, &limits)
    }
}

impl InEffect {
    fn new(limits: Limits, metrics: &QuotaMetrics) -> Result<Self, Error> {
        let outcomes = metrics.outcomes(&limits)?;
        Ok(Self { limits, outcomes })
    }
}

/// [`Quota::acquire`] of the process's current app.
///
/// # Errors
/// `AppNotAlive` without an app, `ServiceNotAvailable` when the service does not run in it; else as [`Quota::acquire`].
pub async fn acquire(rule: &str, key: &str, permits: u32) -> Result<Grant, Error> {
    app_core::current()?.get::<Quota>()?.acquire(rule, key, permits).await
}
