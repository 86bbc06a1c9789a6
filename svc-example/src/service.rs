//! The service itself: its id, what it needs, how it starts.

use app_config::Configured;
use app_core::prelude::*;
use app_health::HealthChecks;
use app_metrics::Metrics;
use tokio::time::Instant;

use crate::{Buckets, Limits, Quota, QuotaConfig, health, metrics::QuotaMetrics};

/// Service id of the quota service.
pub const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

/// How many calls may wait for the command loop.
const QUEUE: u16 = 1_024;
/// How often full buckets are cleared away. Calls clear some too; this is for when nobody calls.
const CLEAR_EVERY: Duration = Duration::from_secs(1);
/// How many at once, so that calls behind it wait for a few milliseconds at most.
const CLEAR_AT_ONCE: usize = 10_000;

app_core::service! { id: QUOTA, name: "quota", start: start }

// The parameters are the dependencies: config, metrics and health run when this is called, and stop after the service.
async fn start(
    service: Service,
    config: Configured<QuotaConfig>,
    metrics: Dep<Metrics>,
    health: Dep<HealthChecks>,
) -> Result<Quota, Error> {
    let limits = Limits::new(&config);
    let metrics = QuotaMetrics::register(&metrics, &limits)?;
    // The clock is a dependency too: a function, which in tests is another one.
    let commands = service.command_server("buckets", QUEUE, Buckets::new(&limits, Instant::now))?;
    health::register(&health, &commands)?;
    clear_regularly(&service, &commands, &limits, &metrics);
    info!(service.log(), "rules in effect"; "rules" => limits.rules().len(), "from_file" => config.from_file());
    Ok(Quota::new(commands, limits, metrics))
}

fn clear_regularly(
    service: &Service,
    commands: &CommandServer<Buckets>,
    limits: &Limits,
    metrics: &QuotaMetrics,
) {
    let (commands, limits, keys) = (commands.clone(), limits.clone(), metrics.keys.clone());
    service.every(CLEAR_EVERY, move |log| {
        let (log, limits, keys) = (log.clone(), limits.clone(), keys.clone());
        let clear = move |buckets: &mut Buckets| {
            buckets.clear(CLEAR_AT_ONCE);
            keys.set(buckets.keys() as f64);
            warn_of_displaced(&log, &limits, &buckets.take_displaced());
        };
        // Refused when the queue is full: then the calls in it do the clearing.
        let _ = commands.try_submit(clear);
    });
}

fn warn_of_displaced(log: &Logger, limits: &Limits, displaced: &[u64]) {
    for (rule, &displaced) in limits.rules().iter().zip(displaced).filter(|(_, displaced)| **displaced > 0) {
        warn!(log, "more keys than maxKeys: buckets that were not full were dropped, and their keys start with full ones";
            "rule" => &rule.name, "max_keys" => rule.max_keys.get(), "dropped" => displaced);
    }
}
