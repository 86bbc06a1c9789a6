//! How soon calls work again after an outage, a rollout, or a new config.

use std::rc::Rc;
use std::time::Duration;

use app_pki::{Authority, AuthorityOptions, KeyKind, Validity};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::network::address;
use super::world::{Answers, HOST, World, set_name, shares};
use super::{Way, each_seed};
use crate::client::InstanceState;
use crate::resolve;
use crate::{Authorities, CallFailure, RpcClientConfig};

const PATIENCE: Duration = Duration::from_secs(200);

/// How soon calls must work again.
const SOON: Duration = Duration::from_millis(300);

fn way(seed: u64) -> Way {
    if seed.is_multiple_of(2) { Way::Call } else { Way::Request }
}

#[test]
fn a_waiting_caller_is_served_soon_after_an_outage_however_long_it_was() {
    each_seed(6, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 2);
        world.connected(2).await;
        for outage in [3, 75] {
            // In every third seed the machines are silent, in the others they refuse.
            let silent = seed % 3 == 2;
            let away = Duration::from_secs(outage) + world.network.random.millis(0, 1000);
            (0..2).for_each(|route| world.stop(route, false));
            if silent {
                (0..2).for_each(|route| world.network.interrupt(route, away));
            }
            let attempts = world.network.attempts();
            let client = Rc::clone(&world.client);
            let waiting = spawn_local(async move { (client.call(1, PATIENCE).await, Instant::now()) });
            sleep(away).await;
            (0..2).for_each(|route| world.start(route));
            let listens = Instant::now();
            let (answer, answered) = waiting.await.unwrap();
            assert_eq!(answer, Ok(1));
            let took = answered - listens;
            assert!(took <= SOON, "after {outage} s: {took:?}");
            // At most ten attempts a second to each instance, with their jitter.
            let attempts = world.network.attempts() - attempts;
            assert!(attempts <= 2 * 14 * usize::try_from(outage + 2).unwrap(), "{attempts} attempts");
            world.connected(2).await;
        }
        world.end().await;
    });
}

#[test]
fn a_waiting_caller_is_served_soon_after_a_silence_that_ends_at_any_moment_of_an_attempt() {
    each_seed(2, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 1);
        // Attempts time out all the while. Each silence ends a little later in an attempt, or in the pause after it.
        for step in 0..20 {
            world.connected(1).await;
            let away = Duration::from_millis(60_000 + 300 * step);
            world.stop(0, false);
            world.network.interrupt(0, away);
            let client = Rc::clone(&world.client);
            let waiting = spawn_local(async move { (client.call(1, PATIENCE).await, Instant::now()) });
            sleep(away).await;
            world.start(0);
            let listens = Instant::now();
            let (answer, answered) = waiting.await.unwrap();
            assert_eq!(answer, Ok(1));
            assert!(answered - listens <= SOON, "after {away:?}: {:?}", answered - listens);
        }
        world.end().await;
    });
}

#[test]
fn a_caller_that_comes_after_an_outage_is_served_soon() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 2);
        world.connected(2).await;
        (0..2).for_each(|route| world.stop(route, false));
        let attempts = world.network.attempts();
        sleep(Duration::from_secs(75)).await;
        let attempts = world.network.attempts() - attempts;
        assert!(attempts < 2 * 60, "{attempts} attempts though no caller waits");
        (0..2).for_each(|route| world.start(route));
        let began = Instant::now();
        assert_eq!(world.client.call(1, PATIENCE).await, Ok(1));
        assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
        world.end().await;
    });
}

#[test]
fn a_rollout_that_replaces_all_addresses_fails_no_call_but_what_may_have_been_executed() {
    each_seed(8, |seed, fixture| async move {
        let gracefully = seed % 4 < 2;
        let world = Rc::new(World::new(seed, way(seed), fixture, 6));
        (3..6).for_each(|route| world.stop(route, false));
        set_name(&[0, 1, 2]);
        world.connected(3).await;
        let calling = Rc::clone(&world);
        let calls = spawn_local(async move { calling.run(8, 3000, PATIENCE).await });
        sleep(Duration::from_millis(200)).await;
        for old in 0..3 {
            let random = &world.network.random;
            world.start(old + 3);
            // The name may have the new addresses only after the old servers are gone.
            if seed % 3 == 0 {
                world.stop(old, gracefully);
                sleep(random.millis(0, 500)).await;
            }
            let now: Vec<usize> = (old + 1..old + 4).collect();
            set_name(&now);
            sleep(random.millis(0, 500)).await;
            world.stop(old, gracefully);
        }
        let (made, failures) = calls.await.unwrap();
        assert!(made[3..].iter().all(|calls| *calls > 0), "{made:?}");
        let bad = |failure: CallFailure| gracefully || failure != CallFailure::MaybeExecuted;
        assert!(!failures.iter().any(|failed| bad(failed.failure())), "{failures:?}");
        assert!(failures.len() <= 24, "{failures:?}");
        Rc::into_inner(world).unwrap().end().await;
    });
}

#[test]
fn all_addresses_of_a_name_may_change_at_once_while_callers_wait() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 4);
        (2..4).for_each(|route| world.stop(route, false));
        set_name(&[0, 1]);
        world.connected(2).await;
        (0..2).for_each(|route| world.stop(route, false));
        let client = Rc::clone(&world.client);
        let waiting = spawn_local(async move { (client.call(1, PATIENCE).await, Instant::now()) });
        sleep(world.network.random.millis(10_000, 11_000)).await;
        (2..4).for_each(|route| world.start(route));
        set_name(&[2, 3]);
        let changed = Instant::now();
        let (answer, answered) = waiting.await.unwrap();
        assert_eq!(answer, Ok(1));
        assert!(answered - changed <= SOON, "{:?}", answered - changed);
        world.end().await;
    });
}

#[test]
fn a_name_server_that_does_not_answer_takes_no_address_away() {
    each_seed(2, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 2);
        world.connected(2).await;
        resolve::simulated::set(HOST, None);
        (0..2).for_each(|route| world.network.reset(route));
        sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        assert_eq!(world.client.call(1, PATIENCE).await, Ok(1));
        assert!(began.elapsed() <= SOON);
        assert_eq!(world.states().len(), 2);
        assert!(world.client.instances.counts.reconnects.get() >= 2.0);
        world.end().await;
    });
}

#[test]
fn a_name_server_that_is_silent_holds_back_only_its_own_name() {
    each_seed(2, |seed, fixture| async move {
        let slow = "slow.test";
        resolve::simulated::silence(slow);
        let change = |config: &mut RpcClientConfig| {
            config.addresses = vec![slow.to_owned(), address(0).to_string(), HOST.to_owned()];
        };
        let world = World::with(seed, way(seed), fixture, 2, change, |_| {});
        let began = Instant::now();
        assert_eq!(world.client.call(1, PATIENCE).await, Ok(1));
        assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
        world.connected(2).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        // What the name had stays while the name server is silent.
        resolve::simulated::silence(HOST);
        sleep(Duration::from_secs(60)).await;
        world.connected(2).await;
        world.end().await;
    });
}

#[test]
fn instances_that_fail_make_room_for_others_when_there_are_more_than_a_client_may_connect_to() {
    each_seed(4, |seed, fixture| async move {
        let world = World::with(seed, way(seed), fixture, 6, |config| config.max_connections = 2, |_| {});
        for _ in 0..3 {
            world.connected(2).await;
            let used: Vec<_> = world.client.instances.statuses().iter().map(|one| one.address).collect();
            let used: Vec<_> = (0..6).filter(|route| used.contains(&address(*route))).collect();
            used.iter().for_each(|route| world.stop(*route, false));
            sleep(Duration::from_millis(100)).await;
            let (began, calls) = (Instant::now(), world.calls());
            assert_eq!(world.client.call(1, PATIENCE).await, Ok(1));
            assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
            assert!(used.iter().all(|route| world.calls()[*route] == calls[*route]));
            used.iter().for_each(|route| world.start(*route));
        }
        world.end().await;
    });
}

#[test]
fn calls_that_are_late_ask_for_one_new_connection() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, Way::Call, fixture, 1);
        world.connected(1).await;
        let connections = world.network.connections();
        world.answers(0, Answers::AfterMillis(100_000));
        let calls: Vec<_> = (0..20)
            .map(|number| {
                let client = Rc::clone(&world.client);
                let time = Duration::from_millis(1000 + 5 * u64::from(number));
                spawn_local(async move { client.call(number, time).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap_err().failure(), CallFailure::MaybeExecuted);
        }
        sleep(Duration::from_secs(20)).await;
        assert_eq!(world.network.connections() - connections, 1);
        // An instance that never answers is not asked for handshakes without end.
        let began = Instant::now();
        for number in 0..100 {
            world.client.call(number, Duration::from_millis(50)).await.unwrap_err();
        }
        let connections = world.network.connections() - connections;
        let most = 6 + began.elapsed().as_secs() * 2;
        assert!(u64::try_from(connections).unwrap() <= most, "{connections} in {:?}", began.elapsed());
        world.end().await;
    });
}

#[test]
fn an_ejected_instance_is_tried_as_soon_as_it_was_restarted() {
    each_seed(4, |seed, fixture| async move {
        let change = |config: &mut RpcClientConfig| config.eject_time = Duration::from_secs(600);
        let world = World::with(seed, way(seed), fixture, 3, change, |_| {});
        world.connected(3).await;
        world.answers(0, Answers::Fails);
        world.run(8, 600, PATIENCE).await;
        assert!(world.states().contains(&InstanceState::Ejected), "{:?}", world.states());
        world.stop(0, false);
        world.answers(0, Answers::AfterMillis(5));
        sleep(Duration::from_secs(2)).await;
        world.start(0);
        sleep(Duration::from_secs(3)).await;
        let (made, failures) = world.run(8, 600, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert!(shares(&made)[0] > 0.5, "{made:?}");
        world.end().await;
    });
}

#[test]
fn no_call_goes_to_a_server_that_a_new_config_does_not_trust() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 1);
        world.connected(1).await;
        let other = AuthorityOptions::new("another", Validity::days(60)).key(KeyKind::Ed25519);
        let other = Authority::root(&other).unwrap();
        let other = Authorities::from_pem(other.root_pem().unwrap().as_bytes(), b"").unwrap();
        world.client.reconfigure(|config| config.servers = other);
        sleep(SOON).await;
        let before = world.calls()[0];
        for number in 0..3 {
            let failed = world.client.call(number, Duration::from_secs(3)).await.unwrap_err();
            assert_eq!(failed.failure(), CallFailure::NotSent, "{failed}");
        }
        assert_eq!(world.calls()[0], before);
        world.client.reconfigure(|_| {});
        let began = Instant::now();
        assert_eq!(world.client.call(1, PATIENCE).await, Ok(1));
        assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
        world.end().await;
    });
}

#[test]
fn a_stop_waits_for_requests_on_connections_that_were_replaced() {
    each_seed(2, |seed, fixture| async move {
        let world = World::new(seed, Way::Request, fixture, 1);
        world.connected(1).await;
        world.answers(0, Answers::AfterMillis(500));
        let (client, direct) = (Rc::clone(&world.client), world.client.direct.get());
        let running = spawn_local(async move { client.call(1, PATIENCE).await });
        sleep(Duration::from_millis(100)).await;
        world.client.reconfigure(|config| config.connect_timeout = Duration::from_secs(3));
        sleep(Duration::from_millis(100)).await;
        world.client.tasks[1].abort();
        let began = Instant::now();
        world.client.requests.drain().await;
        assert!(began.elapsed() > Duration::from_millis(200), "{:?}", began.elapsed());
        assert_eq!(running.await.unwrap(), Ok(1));
        assert_eq!(world.client.direct.get(), direct + 1);
        world.end().await;
    });
}

#[test]
fn a_new_config_is_used_at_once_while_the_client_backs_off() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 2);
        (0..2).for_each(|route| world.stop(route, false));
        world.start(1);
        let only = |route: usize| {
            move |config: &mut RpcClientConfig| config.addresses = vec![address(route).to_string()]
        };
        world.client.reconfigure(only(0));
        // In half of the seeds the instance is silent, so an attempt is under way.
        if seed % 4 < 2 {
            world.network.interrupt(0, Duration::from_secs(600));
        }
        sleep(Duration::from_secs(60)).await;
        world.client.reconfigure(only(1));
        let began = Instant::now();
        assert_eq!(world.client.call(1, PATIENCE).await, Ok(1));
        assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
        // Also for connections that work.
        world.start(0);
        world.network.interrupt(0, Duration::ZERO);
        world.client.reconfigure(only(0));
        sleep(SOON).await;
        let before = world.calls()[0];
        assert_eq!(world.client.call(2, PATIENCE).await, Ok(2));
        assert_eq!(world.calls()[0], before + 1);
        world.end().await;
    });
}
