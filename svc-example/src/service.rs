//! The service itself: its id, what it needs, how it starts.

use app_config::{Configured, LiveConfig};
use app_core::{Flag, Restart, prelude::*};
use app_health::HealthChecks;
use app_metrics::Metrics;
use tokio::time::Instant;

use crate::{Buckets, Limits, Quota, QuotaConfig, QuotaFlags, health, metrics::QuotaMetrics};

/// Service id of the quota service.
pub const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

/// How often full buckets are cleared away. Calls clear some too; this is for when nobody calls.
const CLEAR_EVERY: Duration = Duration::from_secs(1);
/// How many at once, so that calls behind it wait for a few milliseconds at most.
const CLEAR_AT_ONCE: usize = 10_000;

app_core::service! { id: QUOTA, name: "quota", start: start, restart: Restart::on_failure() }

// The parameters are the dependencies, and the flags. Config, metrics and health run when this is called, and stop after the service.
async fn start(
    service: Service,
    flags: Flag<QuotaFlags>,
    config: LiveConfig<QuotaConfig>,
    metrics: Dep<Metrics>,
    health: Dep<HealthChecks>,
) -> Result<Quota, Error> {
    let rules = config.current();
    let limits = Limits::new(&rules);
    let metrics = QuotaMetrics::register(&metrics)?;
    // The clock is a dependency too: a function, which in tests is another one.
    // Inline: to take permits changes a few numbers, which is shorter than waking a task. `clear` is longer, and goes through
    // the queue.
    let buckets = CommandServer::builder("buckets", flags.quota_queue).inline();
    let commands = buckets.spawn(&service, Buckets::new(&limits, Instant::now))?;
    health::register(&health, &service, &commands)?;
    clear_regularly(&service, &commands, &metrics);
    let quota = Quota::new(commands, limits, metrics)?;
    follow(&service, config, quota.clone())?;
    tell(service.log(), &rules);
    Ok(quota)
}

/// Puts new rules in effect as they come, until the service ends.
fn follow(service: &Service, mut config: LiveConfig<QuotaConfig>, quota: Quota) -> Result<(), Error> {
    let me = service.clone();
    service.spawn("reload", async move {
        while let Some(rules) = config.changed().await {
            match quota.reload(&rules).await {
                Ok(()) => tell(me.log(), &rules),
                // Killed in the meantime: there is nothing left to put them in effect for.
                Err(_) if !me.alive() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

fn tell(log: &Logger, rules: &Configured<QuotaConfig>) {
    info!(log, "rules in effect"; "rules" => rules.rules.len(), "from_file" => rules.from_file());
}

fn clear_regularly(service: &Service, commands: &CommandServer<Buckets>, metrics: &QuotaMetrics) {
    let (commands, keys) = (commands.clone(), metrics.keys.clone());
    service.every(CLEAR_EVERY, move |log| {
        let (log, keys) = (log.clone(), keys.clone());
        let clear = move |buckets: &mut Buckets| {
            buckets.clear(CLEAR_AT_ONCE);
            keys.set(buckets.keys() as f64);
            let displaced = buckets.take_displaced();
            warn_of_displaced(&log, buckets.limits(), &displaced);
        };
        // Refused when the queue is full: then the calls in it do the clearing.
        let _ = commands.try_submit(clear);
    });
}

fn warn_of_displaced(log: &Logger, limits: &Limits, displaced: &[u64]) {
    for (rule, &displaced) in limits.rules().iter().zip(displaced).filter(|(_, displaced)| **displaced > 0) {
        warn!(log, "more keys than maxKeys: buckets that were not full were dropped, and their keys start with full ones";
            "rule" => &rule.name, "dropped" => displaced);
    }
}
