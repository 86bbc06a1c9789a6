//! The descriptor and the start function of the service.

use app_config::{Configured, LiveConfig};
use app_core::{Flag, Restart, prelude::*};
use app_health::HealthChecks;
use app_messaging::Messaging;
use app_metrics::Metrics;
use tokio::time::Instant;

use crate::{
    Buckets, Limits, QUOTA, Quota, QuotaConfig, QuotaFlags,
    fleet::{Fleet, WallClock},
    handlers, health,
    metrics::QuotaMetrics,
    notices::Notices,
};

/// Interval at which full buckets are removed. Calls remove some too; this one works when there are no calls.
const CLEAR_EVERY: Duration = Duration::from_secs(1);
/// Buckets removed in one command. With this limit, calls behind it wait a few milliseconds at most.
const CLEAR_AT_ONCE: usize = 10_000;

app_core::service! { id: QUOTA, name: "quota", start: start, restart: Restart::on_failure() }

// The parameters are the dependencies and the flags. Config, metrics and health run before this function is called, and stop
// after the service.
async fn start(
    service: Service,
    flags: Flag<QuotaFlags>,
    config: LiveConfig<QuotaConfig>,
    metrics: Dep<Metrics>,
    health: Dep<HealthChecks>,
    messaging: Dep<Messaging>,
) -> Result<Quota, Error> {
    let rules = config.current();
    let limits = Limits::new(&rules);
    let metrics = QuotaMetrics::register(&metrics)?;
    // Inline, because taking permits changes a few numbers, which is shorter than waking a task. `clear` takes longer and goes
    // through the queue. The clock is a function, so that tests can pass another one.
    let buckets = CommandServer::builder("buckets", flags.quota_queue).inline();
    let commands = buckets.spawn(&service, Buckets::new(&limits, Instant::now))?;
    health::register(&health, &service, &commands)?;
    clear_regularly(&service, &commands, &metrics);
    let notices = Notices::start(&service, &messaging, &metrics.exhausted_dropped)?;
    let clock = WallClock::of(&App::of(&service));
    let fleet = Fleet::start(&service, &messaging, clock, &metrics, &notices, flags.quota_queue)?;
    let quota = Quota::new(commands, limits, metrics, fleet, notices)?;
    quota.share_rules().await?;
    handlers::start(&service, &messaging, &quota)?;
    apply_changes(&service, config, quota.clone())?;
    log_rules(service.log(), &rules);
    Ok(quota)
}

/// Applies each new config until the service ends.
fn apply_changes(service: &Service, mut config: LiveConfig<QuotaConfig>, quota: Quota) -> Result<(), Error> {
    let this = service.clone();
    service.spawn("reload", async move {
        while let Some(rules) = config.changed().await {
            match quota.reload(&rules).await {
                Ok(()) => log_rules(this.log(), &rules),
                // The service was killed meanwhile, so the new rules have no use.
                Err(_) if !this.alive() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}

fn log_rules(log: &Logger, rules: &Configured<QuotaConfig>) {
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
        // A full queue refuses the command. Then the calls in the queue remove full buckets.
        let _ = commands.try_submit(clear);
    });
}

fn warn_of_displaced(log: &Logger, limits: &Limits, displaced: &[u64]) {
    for (rule, &displaced) in limits.rules().iter().zip(displaced).filter(|(_, displaced)| **displaced > 0) {
        warn!(log, "more keys than maxKeys: buckets that were not full were dropped, so their keys start again with full buckets; raise maxKeys";
            "rule" => &rule.name, "dropped" => displaced);
    }
}
