//! The handle of the service: what dependents call.

use app_core::prelude::*;
use tokio::time::Instant;

use crate::{Buckets, Limits, QUOTA, Rule, metrics::QuotaMetrics};

/// The quota service, as its dependents see it: `Dep<Quota>` in a start function. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Quota {
    commands: CommandServer<Buckets>,
    limits: Limits,
    metrics: QuotaMetrics,
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
    pub(crate) fn new(commands: CommandServer<Buckets>, limits: Limits, metrics: QuotaMetrics) -> Self {
        Self { commands, limits, metrics }
    }

    /// Takes `permits` from the bucket that `key` has under `rule`, if they are there.
    ///
    /// Dropped before it is ready, it may still have taken them.
    ///
    /// # Errors
    /// `IllegalArgument` for an unknown rule, an empty key or one of more than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES),
    /// no permits, or more than the burst of the rule. `ServiceNotAlive` once the service was killed.
    pub async fn acquire(&self, rule: &str, key: &str, permits: u32) -> Result<Grant, Error> {
        let began = Instant::now();
        let request = self.limits.request(rule, key, permits)?;
        let (rule, keys) = (request.rule, self.metrics.keys.clone());
        let acquire = move |buckets: &mut Buckets| {
            let grant = buckets.acquire(&request);
            keys.set(buckets.keys() as f64);
            grant
        };
        let grant = self.commands.call(acquire).await?;
        self.metrics.count(rule, grant.granted);
        self.metrics.acquire_seconds.observe(began.elapsed().as_secs_f64());
        Ok(grant)
    }

    /// The rules in effect, in the order of the config.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.limits.rules()
    }
}

/// [`Quota::acquire`] of the process's current app.
///
/// # Errors
/// `AppNotAlive` without an app, `ServiceNotAvailable` when the service does not run in it; else as [`Quota::acquire`].
pub async fn acquire(rule: &str, key: &str, permits: u32) -> Result<Grant, Error> {
    app_core::current()?.get::<Quota>()?.acquire(rule, key, permits).await
}
