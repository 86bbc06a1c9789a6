//! Instances that refuse, fail or lose calls: which calls are made again, and which instances are ejected.

use std::rc::Rc;
use std::time::Duration;

use app_errors::errors::ILLEGAL_ARGUMENT;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::world::{Answers, World, shares};
use super::{Way, each_seed};
use crate::CallFailure;
use crate::client::{InstanceState, RetryReason};

const PATIENCE: Duration = Duration::from_secs(20);

fn way(seed: u64) -> Way {
    if seed.is_multiple_of(2) { Way::Call } else { Way::Request }
}

#[test]
fn an_overloaded_server_gets_few_calls_again() {
    each_seed(4, |seed, fixture| async move {
        let world = World::with(seed, way(seed), fixture, 1, |_| {}, |config| config.limits.calls = 32);
        world.connected(1).await;
        world.answers(0, Answers::AfterMillis(50));
        let began = Instant::now();
        let (_, failures) = world.run(48, 6000, Duration::from_secs(2)).await;
        let counts = &world.client.instances.counts;
        let retries = counts.retries(RetryReason::Refused);
        // A hundred at the start, ten a second, and a fifth of the calls.
        let most = 100.0 + 10.0 * began.elapsed().as_secs_f64() + 0.2 * 6100.0;
        assert!(retries > 100.0 && retries <= most, "{retries} retries, at most {most}");
        let without_budget =
            failures.iter().filter(|failed| failed.reason().contains("retry budget")).count();
        assert!(without_budget > 300, "{without_budget} of {}: {:?}", failures.len(), failures.first());
        assert_eq!(counts.retries_refused.get().to_string(), without_budget.to_string());
        // The last attempt of a call may begin just before its deadline.
        let late = failures.iter().filter(|failed| failed.failure() != CallFailure::Refused);
        let late: Vec<_> = late.map(|failed| failed.reason().to_owned()).collect();
        assert!(late.len() < 30 && late.iter().all(|why| why.contains("by the deadline")), "{late:?}");
        world.end().await;
    });
}

#[test]
fn refused_calls_move_to_an_instance_that_has_room() {
    each_seed(4, |seed, fixture| async move {
        let world = World::with(seed, way(seed), fixture, 4, |_| {}, |config| config.limits.calls = 4);
        world.connected(4).await;
        let (_, failures) = world.run(8, 800, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        world.end().await;
    });
}

#[test]
fn only_a_call_that_is_idempotent_is_made_again_after_its_connection_was_lost() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 3);
        for idempotent in [false, true] {
            world.client.idempotent.set(idempotent);
            world.connected(3).await;
            (0..3).for_each(|route| world.answers(route, Answers::AfterMillis(500)));
            let calls: Vec<_> = (0..12)
                .map(|number| {
                    let client = Rc::clone(&world.client);
                    spawn_local(async move { client.call(number, PATIENCE).await })
                })
                .collect();
            sleep(Duration::from_millis(250)).await;
            world.network.reset(0);
            let mut failures = Vec::new();
            for call in calls {
                failures.extend(call.await.unwrap().err());
            }
            assert_eq!(failures.is_empty(), idempotent, "{failures:?}");
            assert!(failures.iter().all(|failed| failed.failure() == CallFailure::MaybeExecuted));
            let again = world.client.instances.counts.retries(RetryReason::MaybeExecuted);
            assert_eq!(again > 0.5, idempotent, "{again}");
            (0..3).for_each(|route| world.answers(route, Answers::AfterMillis(5)));
        }
        world.end().await;
    });
}

#[test]
fn an_instance_that_only_fails_is_ejected_and_comes_back() {
    each_seed(6, |seed, fixture| async move {
        let (way, callers) = (way(seed), [1, 8, 64][usize::try_from(seed / 2 % 3).unwrap()]);
        let world = World::new(seed, way, fixture, 3);
        world.connected(3).await;
        let panics = seed % 4 >= 2;
        world.answers(0, if panics { Answers::Panics } else { Answers::Fails });
        world.run(callers, 600, PATIENCE).await;
        let (made, _) = world.run(callers, 900, PATIENCE).await;
        assert!(shares(&made)[0] < 0.2, "{callers}, {way:?}: {made:?}");
        let statuses = world.client.instances.statuses();
        let ejected: Vec<_> = statuses.iter().filter(|status| status.ejected_until.is_some()).collect();
        // A panic ends the connection, with all calls on it. So the pauses between connections keep calls away from this server, and
        // it need not be ejected yet.
        assert!(ejected.len() <= 1, "{statuses:?}");
        if !panics {
            assert_eq!(ejected.len(), 1, "{statuses:?}");
            assert!(world.client.instances.counts.ejections.get() >= 1.0);
        }
        world.answers(0, Answers::AfterMillis(5));
        sleep(Duration::from_secs(70)).await;
        let (made, failures) = world.run(callers, 600, PATIENCE).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert!(shares(&made)[0] > 0.4, "{callers}, {way:?}: {made:?}");
        assert!(world.states().iter().all(|state| *state == InstanceState::Connected));
        world.end().await;
    });
}

#[test]
fn an_instance_that_refuses_the_arguments_of_its_callers_is_not_ejected() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 3);
        world.connected(3).await;
        world.answers(0, Answers::RefusesArguments);
        let (made, failures) = world.run(8, 600, PATIENCE).await;
        assert!(shares(&made)[0] > 0.5, "{made:?}");
        assert!(failures.iter().all(|failed| failed.is(&ILLEGAL_ARGUMENT)), "{failures:?}");
        assert_eq!(failures.len(), usize::try_from(made[0]).unwrap());
        assert!(world.client.instances.counts.ejections.get() < 0.5);
        world.end().await;
    });
}

#[test]
fn calls_that_fail_at_all_instances_leave_at_least_half_of_them_in_use() {
    each_seed(4, |seed, fixture| async move {
        let world = World::new(seed, way(seed), fixture, 4);
        world.connected(4).await;
        (0..4).for_each(|route| world.answers(route, Answers::Fails));
        let (made, failures) = world.run(8, 400, PATIENCE).await;
        assert_eq!(failures.len(), 400);
        assert!(failures.iter().all(|failed| failed.failure() == CallFailure::Failed));
        assert!(made.iter().filter(|calls| **calls > 20).count() >= 2, "{made:?}");
        let ejected = world.states().iter().filter(|state| **state == InstanceState::Ejected).count();
        assert!(ejected <= 2, "{ejected} are ejected");
        world.end().await;
    });
}
