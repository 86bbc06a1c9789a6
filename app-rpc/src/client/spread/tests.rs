//! Calls to instances that take their time, on paused time: how the calls are spread, and what becomes of an instance that fails.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep};

use super::*;
use crate::client::instance::Visit;
use crate::client::instances::Instances;
use crate::client::status::InstanceState;
use crate::client::testing::instances;

/// What an instance does with a call.
#[derive(Clone, Copy)]
enum Answers {
    After(Duration),
    Fails,
}

/// An instance that answers, and the number of its answers.
struct Node {
    instance: Arc<Instance>,
    answers: Cell<Answers>,
    calls: Cell<u32>,
    takes: Cell<bool>,
}

impl Candidate for Rc<Node> {
    fn at(&self) -> &Instance {
        &self.instance
    }

    fn takes_calls(&self) -> bool {
        self.takes.get()
    }
}

struct Nodes {
    nodes: Vec<Rc<Node>>,
    instances: Arc<Instances>,
}

const USUAL: Answers = Answers::After(Duration::from_millis(10));

impl Nodes {
    fn new(count: usize) -> Rc<Self> {
        let instances = instances();
        let node = |port: usize| {
            let instance = Instance::new(([192, 0, 2, 1], u16::try_from(port + 1).unwrap()).into());
            instance.set_connected(true);
            let (answers, calls, takes) = (Cell::new(USUAL), Cell::new(0), Cell::new(true));
            Rc::new(Node { instance, answers, calls, takes })
        };
        let nodes: Vec<_> = (0..count).map(node).collect();
        instances.replace(nodes.iter().map(|node| Arc::clone(&node.instance)).collect());
        Rc::new(Self { nodes, instances })
    }

    /// Makes a call, and returns whether it succeeded.
    async fn call(&self) -> bool {
        let (node, chosen) = choose(&self.nodes, None).unwrap();
        let visit = Visit::begin(&node.instance, chosen, Instant::now());
        node.calls.set(node.calls.get() + 1);
        match node.answers.get() {
            Answers::After(time) => {
                // Between half of the time and one and a half.
                sleep(time.mul_f64(0.5 + fastrand::f64())).await;
                visit.succeeded(Instant::now(), &self.instances);
                true
            }
            Answers::Fails => {
                sleep(Duration::from_micros(100)).await;
                visit.failed(&self.instances);
                false
            }
        }
    }

    /// Lets so many callers make calls one after another, until there were so many calls. Returns the share of each instance: 1 if all
    /// have as many.
    async fn run(self: &Rc<Self>, callers: usize, calls: u32) -> Vec<f64> {
        self.nodes.iter().for_each(|node| node.calls.set(0));
        let mut running = JoinSet::new();
        let left = Rc::new(Cell::new(calls));
        for _ in 0..callers {
            let (nodes, left) = (Rc::clone(self), Rc::clone(&left));
            running.spawn_local(async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    nodes.call().await;
                }
            });
        }
        while running.join_next().await.is_some() {}
        let fair = f64::from(calls) / f64::from(u32::try_from(self.nodes.len()).unwrap());
        self.nodes.iter().map(|node| f64::from(node.calls.get()) / fair).collect()
    }

    fn state(&self, at: usize) -> InstanceState {
        self.nodes[at].instance.state()
    }
}

/// Runs it on paused time, with these random numbers.
fn on_paused_time<F: Future<Output = ()>>(seed: u64, test: impl FnOnce() -> F) {
    fastrand::seed(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async { test().await });
}

/// The shares of all instances, in each combination of callers and instances.
fn each_combination(check: impl Fn(usize, usize)) {
    for callers in [1, 8, 64] {
        for instances in [2, 3, 16] {
            check(callers, instances);
        }
    }
}

#[test]
fn no_instance_gets_less_than_half_of_its_share_or_more_than_twice() {
    each_combination(|callers, count| {
        for seed in 0..10 {
            on_paused_time(seed, || async move {
                let shares = Nodes::new(count).run(callers, 2000).await;
                let fair = shares.iter().all(|share| (0.5..=2.0).contains(share));
                assert!(fair, "{callers} callers, {count} instances, seed {seed}: {shares:?}");
            });
        }
    });
}

#[test]
fn an_instance_that_is_ten_times_slower_gets_less_and_comes_back_when_it_recovers() {
    each_combination(|callers, count| {
        on_paused_time(1, || async move {
            let nodes = Nodes::new(count);
            nodes.nodes[0].answers.set(Answers::After(Duration::from_millis(100)));
            nodes.run(callers, 2000).await;
            let shares = nodes.run(callers, 4000).await;
            assert!(shares[0] > 0.0 && shares[0] < 0.35, "{callers}, {count}: {shares:?}");
            assert!(shares[1..].iter().all(|share| (0.5..=2.0).contains(share)), "{shares:?}");
            nodes.nodes[0].answers.set(USUAL);
            nodes.run(callers, 20_000).await;
            let shares = nodes.run(callers, 4000).await;
            assert!(shares.iter().all(|share| (0.5..=2.0).contains(share)), "{callers}, {count}: {shares:?}");
        });
    });
}

#[test]
fn an_instance_that_returns_gets_its_share_at_once_and_not_all_calls() {
    each_combination(|callers, count| {
        on_paused_time(2, || async move {
            let nodes = Nodes::new(count);
            nodes.nodes[0].takes.set(false);
            let shares = nodes.run(callers, 2000).await;
            assert!(shares[0] < 0.01);
            nodes.nodes[0].takes.set(true);
            let calls = 100 * u32::try_from(count).unwrap();
            let shares = nodes.run(callers, calls).await;
            assert!((0.5..=2.0).contains(&shares[0]), "{callers}, {count}: {shares:?}");
            let most = nodes.nodes.iter().map(|node| node.instance.load.in_flight()).max();
            assert_eq!(most, Some(0), "each call was counted off");
        });
    });
}

#[test]
fn an_instance_whose_calls_all_fail_is_ejected_and_tried_again_less_and_less_often() {
    each_combination(|callers, count| {
        on_paused_time(3, || async move {
            let nodes = Nodes::new(count);
            nodes.nodes[0].answers.set(Answers::Fails);
            nodes.run(callers, 2000).await;
            assert_eq!(nodes.state(0), InstanceState::Ejected, "{callers}, {count}");
            // About 14 seconds of one caller, and less of more callers.
            let shares = nodes.run(callers, 2000).await;
            assert!(shares[0] < 0.1, "{callers}, {count}: {shares:?}");
            assert!((1..count).all(|at| nodes.state(at) == InstanceState::Connected));
            let ejections = nodes.instances.counts.ejections.get();
            assert!((1.0..10.0).contains(&ejections), "{callers}, {count}: {ejections}");
            nodes.nodes[0].answers.set(USUAL);
            sleep(Duration::from_secs(64)).await;
            let calls = 100 * u32::try_from(count).unwrap();
            let shares = nodes.run(callers, calls).await;
            assert_eq!(nodes.state(0), InstanceState::Connected, "{callers}, {count}");
            assert!((0.4..=2.0).contains(&shares[0]), "{callers}, {count}: {shares:?}");
        });
    });
}

#[test]
fn at_most_half_of_the_instances_are_ejected_and_when_all_fail_they_all_get_calls() {
    each_combination(|callers, count| {
        on_paused_time(4, || async move {
            let nodes = Nodes::new(count);
            for node in &nodes.nodes {
                node.answers.set(Answers::Fails);
            }
            nodes.run(callers, 4000).await;
            let ejected = (0..count).filter(|at| nodes.state(*at) == InstanceState::Ejected).count();
            assert!(ejected * 2 <= count, "{callers}, {count}: {ejected} are ejected");
            for node in &nodes.nodes {
                node.answers.set(USUAL);
            }
            sleep(Duration::from_secs(64)).await;
            nodes.run(callers, 2000).await;
            let shares = nodes.run(callers, 2000).await;
            assert!(shares.iter().all(|share| (0.5..=2.0).contains(share)), "{callers}, {count}: {shares:?}");
        });
    });
}

#[test]
fn more_than_half_of_the_instances_are_never_ejected_though_they_fail() {
    on_paused_time(5, || async {
        let nodes = Nodes::new(4);
        nodes.nodes[..3].iter().for_each(|node| node.answers.set(Answers::Fails));
        nodes.run(8, 4000).await;
        let ejected = (0..4).filter(|at| nodes.state(*at) == InstanceState::Ejected).count();
        assert!(ejected <= 2, "{ejected}");
        assert_eq!(nodes.state(3), InstanceState::Connected);
        // The only one that works goes. The ejected ones get calls then.
        nodes.nodes[2..].iter().for_each(|node| node.takes.set(false));
        assert!(choose(&nodes.nodes, None).is_some());
        nodes.nodes.iter().for_each(|node| node.takes.set(false));
        assert!(choose(&nodes.nodes, None).is_none());
    });
}

#[test]
fn an_instance_to_avoid_is_chosen_only_if_there_is_no_other() {
    on_paused_time(6, || async {
        let nodes = Nodes::new(2);
        let avoid = Some(nodes.nodes[0].instance.address);
        for _ in 0..100 {
            let (node, _) = choose(&nodes.nodes, avoid).unwrap();
            assert!(Rc::ptr_eq(node, &nodes.nodes[1]));
        }
        nodes.nodes[1].takes.set(false);
        assert!(Rc::ptr_eq(choose(&nodes.nodes, avoid).unwrap().0, &nodes.nodes[0]));
    });
}

#[test]
fn a_call_that_its_caller_gives_up_is_counted_off_and_makes_its_instance_slower() {
    on_paused_time(7, || async {
        let nodes = Nodes::new(1);
        let instance = &nodes.nodes[0].instance;
        let visit = Visit::begin(instance, Chosen::Usually, Instant::now());
        sleep(Duration::from_secs(3)).await;
        assert_eq!(instance.load.in_flight(), 1);
        drop(visit);
        assert_eq!(instance.load.in_flight(), 0);
        assert!(instance.load.latency().unwrap() > Duration::from_secs(2));
    });
}

/// What a call at a healthy instance pays for the spread: the choice, and the record of the call. Run it alone and optimised:
/// `cargo test --release -p app-rpc what_the_spread_costs -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, and checks nothing that holds on a busy machine"]
fn what_the_spread_costs() {
    on_paused_time(8, || async {
        for count in [1, 2, 16] {
            let nodes = Nodes::new(count);
            let now = Instant::now();
            let mut rounds: Vec<_> = (0..9)
                .map(|_| {
                    let began = std::time::Instant::now();
                    for _ in 0..100_000 {
                        let (node, chosen) = choose(&nodes.nodes, None).unwrap();
                        let visit = Visit::begin(&node.instance, chosen, now);
                        visit.succeeded(std::hint::black_box(now), &nodes.instances);
                    }
                    began.elapsed() / 100_000
                })
                .collect();
            rounds.sort_unstable();
            println!("{count} instances: {:?} a call", rounds[rounds.len() / 2]);
        }
    });
}
