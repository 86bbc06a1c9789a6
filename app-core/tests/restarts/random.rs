//! Random graphs in which random things happen at random moments: the order holds, nothing overlaps, all comes to an end.

use std::collections::{BTreeMap, BTreeSet};

use app_core::{LogLevel, testing::TestAppBuilder};
use proptest::{prelude::*, test_runner::TestCaseError};

use super::*;

/// What an incarnation does.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Runs until it is killed.
    Runs,
    /// Fails this many seconds after its start.
    Fails(u64),
    /// Its start returns an error.
    FailsToStart,
    /// Takes this many seconds to start.
    StartsSlowly(u64),
    /// Takes this many seconds to stop.
    StopsSlowly(u64),
    /// A task of it does not care that it was killed.
    HangsAtStop,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Kill,
    Fail,
    Restart,
}

#[derive(Debug, Clone)]
struct Part {
    /// All of lower numbers.
    needs: BTreeSet<usize>,
    policy: usize,
    /// Of its incarnations after the first; the last one's is that of all that follow.
    ways: Vec<Way>,
}

#[derive(Debug, Clone)]
struct Case {
    parts: Vec<Part>,
    /// After how many seconds, to whom, what.
    deeds: Vec<(u64, usize, Deed)>,
    stop_at: u64,
}

fn ways() -> impl Strategy<Value = Way> {
    prop_oneof![
        3 => Just(Way::Runs),
        2 => (0_u64..20).prop_map(Way::Fails),
        1 => Just(Way::FailsToStart),
        1 => (1_u64..9).prop_map(Way::StartsSlowly),
        1 => (1_u64..15).prop_map(Way::StopsSlowly),
        1 => Just(Way::HangsAtStop),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let needs = prop::collection::btree_set(0_usize..8, 0..4);
    let part = (needs, 0_usize..3, prop::collection::vec(ways(), 1..4));
    let deed = prop_oneof![Just(Deed::Kill), Just(Deed::Fail), Just(Deed::Restart)];
    let deeds = prop::collection::vec((0_u64..60, 0_usize..8, deed), 0..8);
    (prop::collection::vec(part, 1..8), deeds, 0_u64..80).prop_map(|(parts, mut deeds, stop_at)| {
        let part = |(index, (mut needs, policy, ways)): (usize, (BTreeSet<usize>, _, _))| {
            needs.retain(|need| *need < index);
            Part { needs, policy, ways }
        };
        deeds.sort_by_key(|(at, ..)| *at);
        Case { parts: parts.into_iter().enumerate().map(part).collect(), deeds, stop_at }
    })
}

/// Which incarnations live, told by themselves, and what was against the rules.
#[derive(Default)]
struct Watch {
    /// How many incarnations each service has had.
    made: BTreeMap<usize, usize>,
    alive: BTreeSet<(usize, usize)>,
    /// When the last one of a service ended.
    ended: BTreeMap<usize, Instant>,
    wrong: Vec<String>,
}

impl Watch {
    fn lives(&self, index: usize) -> bool {
        self.alive.range((index, 0)..(index + 1, 0)).next().is_some()
    }

    fn begins(&mut self, index: usize, parts: &[Part]) -> usize {
        let incarnation = self.made.get(&index).map_or(1, |made| made + 1);
        if self.lives(index) {
            self.wrong.push(format!("{index}.{incarnation} overlaps the one before it"));
        }
        for need in &parts[index].needs {
            // One that dies by itself may do so in this very moment.
            if !self.lives(*need) && self.ended.get(need) != Some(&Instant::now()) {
                self.wrong.push(format!("{index}.{incarnation} starts without {need}"));
            }
        }
        self.nothing_rests_on(index, parts, "starts");
        self.made.insert(index, incarnation);
        self.alive.insert((index, incarnation));
        incarnation
    }

    fn nothing_rests_on(&mut self, index: usize, parts: &[Part], what: &str) {
        let dependents = (0..parts.len()).filter(|dependent| parts[*dependent].needs.contains(&index));
        let alive: Vec<_> = dependents.filter(|dependent| self.lives(*dependent)).collect();
        if !alive.is_empty() {
            self.wrong.push(format!("{index} {what} while {alive:?} rest on it"));
        }
    }
}

/// Held by an incarnation, in its start function and then in a task.
struct Life {
    watch: Arc<Mutex<Watch>>,
    part: usize,
    incarnation: usize,
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut watch = self.watch.lock().unwrap();
        watch.alive.remove(&(self.part, self.incarnation));
        watch.ended.insert(self.part, Instant::now());
    }
}

fn id(part: usize) -> ServiceId {
    ServiceId::new(part as u64 + 1)
}

fn descriptor(
    part: usize,
    parts: &Arc<[Part]>,
    watch: &Arc<Mutex<Watch>>,
    policy: Restart,
) -> ServiceDescriptor {
    let (parts, watch) = (Arc::clone(parts), Arc::clone(watch));
    let needs: Vec<_> = parts[part].needs.iter().map(|need| id(*need)).collect();
    let start = move |service: Service| {
        let incarnation = watch.lock().unwrap().begins(part, &parts);
        let life = Life { watch: Arc::clone(&watch), part, incarnation };
        let way = match incarnation {
            1 => Way::Runs,
            later => {
                parts[part].ways.get(later - 2).or(parts[part].ways.last()).copied().unwrap_or(Way::Runs)
            }
        };
        live(service, life, way, Arc::clone(&parts))
    };
    ServiceDescriptor::of(id(part), format!("s{part}"), start).after(needs).restart(policy)
}

async fn live(service: Service, life: Life, way: Way, parts: Arc<[Part]>) -> Result<(), Error> {
    if let Way::FailsToStart = way {
        return Err(disk_full());
    }
    let me = service.clone();
    service.spawn("lives", async move {
        me.dying().await;
        let planned = me.reason().unwrap().to_string();
        if ["service ", "restart asked", "the app stops"].iter().any(|start| planned.starts_with(start)) {
            life.watch.lock().unwrap().nothing_rests_on(life.part, &parts, "is killed");
        }
        match way {
            Way::StopsSlowly(seconds) => sleep(secs(seconds)).await,
            Way::HangsAtStop => pending().await,
            _ => {}
        }
        drop(life);
    })?;
    match way {
        Way::Fails(seconds) => {
            let me = service.clone();
            service.spawn("fails", async move {
                tokio::select! {
                    () = me.dying() => Ok(()),
                    () = sleep(secs(seconds)) => Err(disk_full()),
                }
            })?;
        }
        Way::StartsSlowly(seconds) => sleep(secs(seconds)).await,
        _ => {}
    }
    Ok(())
}

async fn act(app: &App, deeds: &[(u64, usize, Deed)], begun: Instant) {
    for (at, part, deed) in deeds {
        tokio::time::sleep_until(begun + secs(*at)).await;
        match (deed, app.service(id(*part))) {
            (Deed::Kill, Some(service)) => service.kill("a deed"),
            (Deed::Fail, Some(service)) => service.kill(disk_full()),
            (Deed::Restart, _) => drop(app.restart(id(*part), "a deed").await),
            (_, None) => {}
        }
    }
}

fn builder() -> TestAppBuilder {
    TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error)
}

fn on_paused_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

fn nothing_wrong(watch: &Mutex<Watch>) -> Result<(), TestCaseError> {
    let watch = watch.lock().unwrap();
    prop_assert!(watch.wrong.is_empty(), "{:#?}", watch.wrong);
    prop_assert!(watch.alive.is_empty(), "left behind: {:?}", watch.alive);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_order_holds_nothing_overlaps_and_a_stop_comes_to_its_end(case in cases()) {
        let watch = Arc::<Mutex<Watch>>::default();
        on_paused_time(async {
            let parts: Arc<[Part]> = case.parts.clone().into();
            let policies = [Restart::never(), on_failure(), Restart::always()];
            let services = (0..parts.len()).map(|part| descriptor(part, &parts, &watch, policies[parts[part].policy]));
            let app = builder().services(services).start().await;
            let begun = Instant::now();
            let stop_at = begun + secs(case.stop_at);
            let _ = tokio::time::timeout_at(stop_at, act(&app, &case.deeds, begun)).await;
            tokio::time::sleep_until(stop_at).await;
            let stopping = Instant::now();
            app.stop().await;
            prop_assert!(stopping.elapsed() < secs(125), "{:?}", stopping.elapsed());
            Ok(())
        })?;
        nothing_wrong(&watch)?;
    }

    #[test]
    fn what_is_always_restarted_is_there_again_once_things_calm_down(case in cases()) {
        let watch = Arc::<Mutex<Watch>>::default();
        on_paused_time(async {
            let mut parts = case.parts.clone();
            parts.iter_mut().for_each(|part| part.ways.push(Way::Runs));
            let parts: Arc<[Part]> = parts.into();
            let policy = Restart::always().max_restarts(1_000);
            let services = (0..parts.len()).map(|part| descriptor(part, &parts, &watch, policy));
            let app = builder().services(services).start().await;
            act(&app, &case.deeds, Instant::now()).await;
            sleep(secs(1_200)).await;
            prop_assert!(app.readiness().ready(), "{:?}", app.readiness());
            app.stop().await;
            Ok(())
        })?;
        nothing_wrong(&watch)?;
    }
}
