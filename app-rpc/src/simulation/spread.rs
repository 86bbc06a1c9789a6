//! How the calls and requests of a client are spread over the instances.

use std::time::Duration;

use super::world::{Answers, World, shares};
use super::{Way, each_seed};

const PATIENCE: Duration = Duration::from_secs(60);

/// Nine seeds have each combination of callers and instances once.
fn combination(seed: u64) -> (usize, usize) {
    let seed = usize::try_from(seed).unwrap();
    ([1, 8, 64][seed % 3], [2, 3, 16][seed / 3 % 3])
}

fn are_fair(shares: &[f64]) -> bool {
    shares.iter().all(|share| (0.5..=2.0).contains(share))
}

fn each_instance_has_its_share(way: Way) {
    each_seed(9, |seed, fixture| async move {
        let (callers, count) = combination(seed);
        let world = World::new(seed, way, fixture, count);
        world.connected(count).await;
        let calls = 100 * u32::try_from(count).unwrap();
        let (made, failures) = world.run(callers, calls, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert!(are_fair(&shares(&made)), "{callers} callers: {made:?}");
        // One instance goes away and returns.
        world.stop(0, true);
        let (made, failures) = world.run(callers, calls, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert!(are_fair(&shares(&made[1..])), "{callers} callers: {made:?}");
        world.start(0);
        world.connected(count).await;
        let (made, _) = world.run(callers, calls, PATIENCE).await;
        assert!(are_fair(&shares(&made)), "{callers} callers, one has returned: {made:?}");
        world.end().await;
    });
}

#[test]
fn each_instance_gets_its_share_of_calls_and_one_that_returns_gets_it_at_once() {
    each_instance_has_its_share(Way::Call);
}

#[test]
fn each_instance_gets_its_share_of_requests_and_one_that_returns_gets_it_at_once() {
    each_instance_has_its_share(Way::Request);
}

#[test]
fn an_instance_that_is_ten_times_slower_gets_less() {
    each_seed(6, |seed, fixture| async move {
        let way = if seed % 2 == 0 { Way::Call } else { Way::Request };
        let (callers, count) = ([1, 8, 64][usize::try_from(seed / 2 % 3).unwrap()], 3);
        let world = World::new(seed, way, fixture, count);
        (0..count).for_each(|route| world.answers(route, Answers::AfterMillis(20)));
        world.answers(0, Answers::AfterMillis(200));
        world.connected(count).await;
        world.run(callers, 600, PATIENCE).await;
        let (made, failures) = world.run(callers, 600, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        let shares = shares(&made);
        assert!(
            shares[0] < 0.5 && shares[1..].iter().all(|share| *share > 0.8),
            "{callers}, {way:?}: {made:?}"
        );
        world.end().await;
    });
}

#[test]
fn a_client_that_may_connect_to_fewer_instances_than_there_are_uses_as_many() {
    each_seed(2, |seed, fixture| async move {
        let world = World::with(seed, Way::Call, fixture, 6, |config| config.max_connections = 3, |_| {});
        world.connected(3).await;
        let (made, failures) = world.run(8, 300, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert_eq!(made.iter().filter(|calls| **calls > 50).count(), 3, "{made:?}");
        world.end().await;
    });
}
