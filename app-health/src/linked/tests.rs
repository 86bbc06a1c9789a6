//! Tests of linked checks without linking any; `tests/linked.rs` links some.

use super::*;

const ORIGIN: Origin = Origin::new("store", "1", "a.rs", 1);

fn spec() -> HealthCheckSpec {
    HealthCheckSpec::new(HealthCheckId::new(1))
}

fn check(_: &App, _: CancellationToken) -> LinkedRun {
    Box::pin(std::future::ready(Ok(())))
}

static ONE: LinkedCheck = LinkedCheck::new(ServiceId::new(1), spec, check, ORIGIN);
static TWO: LinkedCheck =
    LinkedCheck::new(ServiceId::new(2), spec, check, Origin::new("store", "1", "a.rs", 2));

fn too_often() -> HealthCheckSpec {
    spec().interval(std::time::Duration::from_nanos(1))
}

static REFUSED: LinkedCheck = LinkedCheck::new(ServiceId::new(1), too_often, check, ORIGIN);

#[test]
fn a_spec_that_can_not_be_registered_is_refused_before_its_service_starts() {
    let refused = Linked::from([&REFUSED].into_iter()).err().unwrap();
    assert!(refused.is(&errors::ILLEGAL_ARGUMENT), "{refused}");
}

#[test]
fn two_with_one_id_are_refused_and_both_are_named() {
    assert!(Linked::from([&ONE].into_iter()).is_ok());
    let refused = Linked::from([&ONE, &TWO].into_iter()).err().unwrap();
    assert!(refused.is(&errors::HEALTH_CHECK_ALREADY_REGISTERED));
    let text = refused.to_string();
    assert!(text.contains("store at a.rs:1") && text.contains("store at a.rs:2"), "{text}");
}
