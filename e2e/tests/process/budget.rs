//! The budget of the fleet over a real server: three instances, and callers of each that ask again at once.
//!
//! In CI 20 windows of half a second. All 100: `FLEET_WINDOWS=100 cargo test -p e2e --test process budget -- --nocapture`.

use std::env;

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_messaging::MESSAGING_SERVICE_ID;
use svc_example::{LIFE, QUOTA, Quota, SKEW};
use tokio::time::Instant;

use crate::nats;

const WINDOW: Duration = Duration::from_millis(500);
const RATE: f64 = 40.0;
const BURST: f64 = 60.0;

/// A grant: it was made between these moments, in seconds since the start.
#[derive(Debug, Clone, Copy)]
struct Granted {
    asked: f64,
    answered: f64,
}

async fn instance(url: &str) -> TestApp {
    let builder = TestApp::builder().linked([QUOTA]);
    let rules = format!(
        r#"{{"rules": [{{"name": "shared", "permits": {RATE}, "burst": {BURST}, "scope": "fleet"}}]}}"#
    );
    let servers = format!(r#"{{"servers": ["{url}"]}}"#);
    for (service, json) in [(QUOTA, rules), (MESSAGING_SERVICE_ID, servers)] {
        let linked = app_config::ConfigSchema::linked();
        let schema = linked.into_iter().find(|schema| schema.service() == service).unwrap();
        let file = builder.config_dir().join(app_config::compat::service_config_id(service));
        let plain = app_config::author::compile(&schema, &json, None).unwrap();
        app_config::author::place_file(&file, &plain, app_config::author::Overwrite::Never).unwrap();
    }
    builder.start().await
}

/// Asks until the time is over, with a short pause after a call that was denied.
async fn caller(quota: std::sync::Arc<Quota>, start: Instant, until: Instant) -> Vec<Granted> {
    let mut grants = Vec::new();
    let mut pauses = tokio::time::interval(Duration::from_millis(10));
    while Instant::now() < until {
        let asked = start.elapsed().as_secs_f64();
        let grant = quota.acquire("shared", "key", 1).await.unwrap();
        if grant.granted {
            grants.push(Granted { asked, answered: start.elapsed().as_secs_f64() });
        } else {
            pauses.tick().await;
        }
    }
    grants
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_on_a_real_server_hold_the_bound_and_use_their_budget() {
    let Some(program) = nats::NatsProgram::newest() else { return };
    let windows: u32 = env::var("FLEET_WINDOWS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let server = program.start();
    let apps = [instance(&server.url()).await, instance(&server.url()).await, instance(&server.url()).await];
    let start = Instant::now();
    let until = start + WINDOW * windows;
    let callers = apps.iter().flat_map(|app| (0..3).map(|_| app.get::<Quota>()));
    let callers: Vec<_> = callers.map(|quota| tokio::spawn(caller(quota, start, until))).collect();
    let mut grants = Vec::new();
    for caller in callers {
        grants.extend(caller.await.unwrap());
    }
    grants.sort_by(|one, other| one.answered.total_cmp(&other.answered));
    // The earliest moment at which a grant, or a later one, can have been made.
    let mut earliest = f64::INFINITY;
    let mut begins: Vec<_> = grants
        .iter()
        .rev()
        .map(|grant| {
            earliest = earliest.min(grant.asked);
            earliest
        })
        .collect();
    begins.reverse();
    let slack = RATE * (LIFE + SKEW).as_secs_f64();
    let (mut granted, mut highest, mut fullest) = (0.0, f64::NEG_INFINITY, 0.0_f64);
    for (grant, begin) in grants.iter().zip(begins) {
        highest = highest.max(RATE * begin - granted);
        granted += 1.0;
        let used = granted + highest - RATE * grant.answered;
        assert!(used <= BURST + slack, "at {}: {used} of {}", grant.answered, BURST + slack);
        fullest = fullest.max(used / (BURST + slack));
    }
    let budget = BURST + RATE * start.elapsed().as_secs_f64();
    println!(
        "{windows} windows: {granted} of {budget:.0} granted, the fullest at {:.0} % of its bound",
        100.0 * fullest
    );
    assert!(granted > 0.4 * budget, "{granted} of {budget}");
    for app in apps {
        app.stop().await;
    }
}
