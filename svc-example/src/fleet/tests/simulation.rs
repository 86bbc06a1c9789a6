//! The bound over many windows: skewed clocks, lost answers, lost connections, instances that die.
//!
//! In CI 200 windows. All 10,000: `FLEET_WINDOWS=10000 cargo test -p svc-example --lib simulation -- --nocapture`.

use std::env;

use super::*;

/// The length of a window.
const WINDOW: Duration = Duration::from_secs(5);

/// Windows of one run, which has its own rule, clocks and faults.
const WINDOWS_OF_A_RUN: u32 = 20;

/// What was granted, and what would have been in one place.
#[derive(Default)]
struct Found {
    windows: u32,
    granted: u64,
    budget: f64,
    /// The most that a window used of its bound, as a share.
    fullest: f64,
}

struct Run {
    random: fastrand::Rng,
    rule: Arc<FleetRule>,
    fixture: Fixture,
    instances: Vec<(i64, Instance)>,
    /// When permits were granted, since the start, and how many.
    grants: Vec<(f64, u32)>,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let permits = random.u32(1..40);
        let rule = rule_of(permits, random.u32(200..3_000), permits + random.u32(0..80), WhenAway::Deny);
        let faults = match seed % 4 {
            0 => Faults::default(),
            1 => Faults::seeded(seed).lose_acks(0.05),
            2 => Faults::seeded(seed).disconnect(0.002),
            _ => Faults::seeded(seed).lose_acks(0.02).disconnect(0.001),
        };
        let fixture = Fixture::with(faults).await;
        let mut instances = Vec::new();
        for index in 0..random.usize(2..6) {
            // At most S apart. A fifth of the instances has a clock that is far off, and may grant nothing.
            let ahead = if index > 1 && random.u32(0..5) == 0 {
                random.i64(1_000..100_000) * if random.bool() { 1 } else { -1 }
            } else {
                random.i64(-490..490)
            };
            instances.push((ahead, fixture.instance(ahead, &rule).await));
        }
        Self { random, rule, fixture, instances, grants: Vec::new() }
    }

    async fn goes_on(&mut self) {
        let start = Instant::now();
        let whole = WINDOW * WINDOWS_OF_A_RUN;
        while start.elapsed() < whole {
            let at = self.random.usize(..self.instances.len());
            if self.random.u32(0..400) == 0 {
                // It is killed, and another one takes its place.
                let ahead = self.instances[at].0;
                self.instances[at].1.service.kill("the simulation");
                self.instances[at].1 = self.fixture.instance(ahead, &self.rule).await;
            }
            let calls = self.random.usize(1..6);
            let (instance, rule, random) = (&self.instances[at].1, &self.rule, &mut self.random);
            let taken = (0..calls).map(|_| {
                let permits = random.u32(1..4).min(rule.rule.burst.get());
                async move {
                    let grant = instance.fleet.take(rule, "key", permits).await;
                    grant.is_ok_and(|grant| grant.granted).then(|| (start.elapsed().as_secs_f64(), permits))
                }
            });
            let taken: Vec<_> = taken.collect();
            self.grants.extend(futures_util::future::join_all(taken).await.into_iter().flatten());
            // A pause now and then lets chunks expire and buckets fill.
            let pause = if self.random.u32(0..100) == 0 { 3_000 } else { 60 };
            sleep(Duration::from_millis(self.random.u64(1..pause))).await;
        }
    }

    /// Checks every window that begins with a grant and ends with one, of whatever length.
    fn check(&self, seed: u64, found: &mut Found) {
        let rule = &self.rule.rule;
        let rate = f64::from(rule.permits.get()) / rule.period().as_secs_f64();
        let slack = rate * (LIFE + SKEW).as_secs_f64();
        // The largest of (rate × begin − granted before) over all begins so far.
        let (mut before, mut highest) = (0.0, f64::NEG_INFINITY);
        for (at, permits) in &self.grants {
            highest = highest.max(rate * at - before);
            before += f64::from(*permits);
            let used = before + highest - rate * at;
            let bound = f64::from(rule.burst.get()) + slack;
            assert!(used <= bound + 1e-6, "seed {seed}, at {at}: {used} of {bound}; {rule:?}");
            found.fullest = found.fullest.max(used / bound);
        }
        found.windows += WINDOWS_OF_A_RUN;
        found.granted += self.grants.iter().map(|(_, permits)| u64::from(*permits)).sum::<u64>();
        found.budget += f64::from(rule.burst.get()) + rate * (WINDOW * WINDOWS_OF_A_RUN).as_secs_f64();
    }
}

#[tokio::test(start_paused = true)]
async fn in_any_window_the_fleet_grants_at_most_what_the_bound_says() {
    let windows = env::var("FLEET_WINDOWS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut found = Found::default();
    for seed in 0.. {
        if found.windows >= windows {
            break;
        }
        let mut run = Run::new(seed).await;
        run.goes_on().await;
        run.check(seed, &mut found);
        run.fixture.app.stop().await;
    }
    println!(
        "{} windows of {WINDOW:?}: {} permits granted of a budget of {:.0}, the fullest window at {:.0} % of its bound",
        found.windows,
        found.granted,
        found.budget,
        100.0 * found.fullest
    );
    // The bound would hold if nothing was granted, too.
    assert!(found.fullest > 0.5, "{}", found.fullest);
    assert!(found.granted as f64 > 0.2 * found.budget, "{} of {}", found.granted, found.budget);
}
