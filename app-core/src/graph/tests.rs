//! The plan: order, and what it refuses.

use std::collections::HashMap;

use app_errors::Error;
use app_ids::ServiceId;
use proptest::prelude::*;

use super::Plan;
use crate::{Service, ServiceDescriptor};

fn service(id: u64, needs: &[u64]) -> ServiceDescriptor {
    let service = ServiceDescriptor::of(ServiceId::new(id), format!("s{id}"), |_: Service| async { Ok(()) });
    service.after(needs.iter().copied().map(ServiceId::new))
}

fn levels(plan: &Plan) -> Vec<Vec<u64>> {
    plan.levels().map(|level| level.map(|service| service.id().as_u64()).collect()).collect()
}

fn refused(services: Vec<ServiceDescriptor>) -> Vec<String> {
    Plan::new(services).unwrap_err().iter().map(Error::to_string).collect()
}

#[test]
fn dependencies_come_before_dependents_and_peers_share_a_level() {
    let plan =
        Plan::new(vec![service(1, &[2, 3]), service(2, &[4]), service(3, &[4]), service(4, &[])]).unwrap();
    assert_eq!(levels(&plan), [vec![4], vec![2, 3], vec![1]]);
}

#[test]
fn a_service_that_panics_when_it_is_asked_what_it_needs_is_a_problem_of_its_own() {
    let needs = || std::panic::panic_any("who knows");
    let start = |_| -> crate::StartFuture { Box::pin(std::future::pending()) };
    let bad = ServiceDescriptor::new(ServiceId::new(1), "bad", needs, start, service(1, &[]).origin());
    let problems = refused(vec![bad, service(2, &[3])]);
    assert_eq!(problems[0], "to ask what service bad (1) needs panicked: who knows");
    assert!(problems[1].starts_with("service s2 (2) needs service 3"), "{problems:?}");
}

#[test]
fn plain_services_rest_on_infrastructure_unless_it_rests_on_them() {
    let infra = |id, needs: &[u64]| service(id, needs).infrastructure(true);
    let plan =
        Plan::new(vec![service(1, &[]), infra(2, &[]), infra(3, &[2]), service(4, &[]), infra(5, &[4])])
            .unwrap();
    assert_eq!(levels(&plan), [vec![2], vec![3], vec![1, 4], vec![5]]);
}

#[test]
fn a_service_is_found_by_its_id_and_knows_who_directly_needs_it() {
    let plan = Plan::new(vec![service(1, &[2]), service(2, &[3]), service(3, &[]), service(4, &[])]).unwrap();
    let id = |index: usize| plan.services()[index].id().as_u64();
    let dependents = |of: u64| -> Vec<_> {
        let index = plan.index(ServiceId::new(of)).unwrap();
        plan.dependents(index).iter().map(|dependent| id(*dependent)).collect()
    };
    assert_eq!((dependents(3), dependents(2), dependents(4)), (vec![2], vec![1], vec![]));
    assert_eq!(plan.index(ServiceId::new(99)), None);
    assert_eq!(plan.order().map(id).collect::<Vec<_>>(), [3, 4, 2, 1]);
}

#[test]
fn a_duplicate_names_both_owners() {
    let (first, second) = (service(7, &[]), service(7, &[]));
    let places = [first.origin().to_string(), second.origin().to_string()];
    let problems = refused(vec![first, second]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("two services have the id 7: s7 ("), "{problems:?}");
    assert!(places.iter().all(|place| problems[0].contains(place)), "{problems:?}");
}

#[test]
fn every_missing_dependency_is_told_with_the_cure() {
    let problems = refused(vec![service(1, &[8]), service(2, &[9])]);
    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with("service s1 (1) needs service 8, which is not linked: name the crate"));
    assert!(problems[1].starts_with("service s2 (2) needs service 9, which is not linked"));
}

#[test]
fn a_cycle_is_told_by_its_path_without_those_above_it() {
    let problems = refused(vec![
        service(9, &[1]),
        service(1, &[2]),
        service(2, &[3]),
        service(3, &[1]),
        service(4, &[]),
    ]);
    assert_eq!(problems, ["services need each other in a circle: s1 (1) -> s2 (2) -> s3 (3) -> s1 (1)"]);
    assert_eq!(refused(vec![service(1, &[1])]), ["services need each other in a circle: s1 (1) -> s1 (1)"]);
}

#[test]
fn the_id_zero_is_the_apps_own() {
    assert!(refused(vec![service(0, &[])])[0].contains("must not be zero"));
}

#[test]
fn ten_thousand_services_in_one_chain_are_planned_without_recursion() {
    let services = (1..=10_000).map(|id| service(id, &[id + 1])).chain([service(10_001, &[])]).collect();
    assert_eq!(Plan::new(services).unwrap().levels().count(), 10_001);
}

proptest! {
    #[test]
    fn every_service_stands_above_all_that_it_needs(edges in prop::collection::vec((0u64..40, 0u64..40), 0..120)) {
        // An edge goes from the larger to the smaller number, so there is no cycle.
        let mut needs = HashMap::<u64, Vec<u64>>::new();
        for (a, b) in edges {
            if a != b {
                needs.entry(a.max(b) + 1).or_default().push(a.min(b) + 1);
            }
        }
        let services = (1..=40).map(|id| service(id, needs.get(&id).map_or(&[], Vec::as_slice))).collect();
        let levels = levels(&Plan::new(services).unwrap());
        let height: HashMap<_, _> = levels.iter().enumerate().flat_map(|(h, l)| l.iter().map(move |s| (*s, h))).collect();
        prop_assert_eq!(height.len(), 40);
        for (service, needs) in &needs {
            prop_assert!(needs.iter().all(|need| height[need] < height[service]));
        }
    }

    #[test]
    fn whatever_the_edges_a_plan_or_a_real_cycle_comes_out(edges in prop::collection::vec((1u64..12, 1u64..12), 0..40)) {
        let mut needs = HashMap::<u64, Vec<u64>>::new();
        for (from, to) in edges {
            needs.entry(from).or_default().push(to);
        }
        let services = (1..12).map(|id| service(id, needs.get(&id).map_or(&[], Vec::as_slice))).collect();
        if let Err(problems) = Plan::new(services) {
            let text = problems[0].to_string();
            let path: Vec<u64> = text
                .trim_start_matches("services need each other in a circle: ")
                .split(" -> ")
                .map(|name| name[1..name.find(' ').unwrap()].parse().unwrap())
                .collect();
            prop_assert!(path.len() >= 2 && path.first() == path.last(), "{}", text);
            for step in path.windows(2) {
                prop_assert!(needs[&step[0]].contains(&step[1]), "{}", text);
            }
        }
    }
}
