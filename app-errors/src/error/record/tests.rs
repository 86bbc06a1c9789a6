//! What a record has, and what is known about an error that comes from one.

use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use serde_json::json;

use super::*;
use crate::errors::{BUG, CONFIG_FAILURE};

const SERVICE: ServiceId = ServiceId::new(0x5e);

fn raised() -> Error {
    let cause = BUG.error(SERVICE).message("not alive").cause("reset").build();
    let context = json!({ "rule": "default", "secret": "x", "limit": 3 });
    let raised = CONFIG_FAILURE.error(SERVICE).cause(cause).message("no rule").tag("DB").context(context);
    raised.public_context(["rule", "limit", "not there"]).build()
}

#[test]
fn a_record_has_everything_and_comes_back_as_the_same_error() {
    let error = raised();
    let record = error.record();
    assert_eq!(record.causes, ["not alive", "reset"]);
    assert_eq!(record.context.as_ref(), error.context());
    assert!(record.location.contains("tests.rs:"), "{}", record.location);
    let back = record.clone().into_error();
    assert_eq!((back.id(), back.uid(), back.time()), (error.id(), error.uid(), error.time()));
    assert_eq!((back.message(), back.tags(), back.service()), (error.message(), error.tags(), SERVICE));
    assert_eq!(back.to_string(), "no rule: not alive: reset");
    assert!(back.is_remote() && !error.is_remote());
    assert_eq!(back.record(), record, "and once more");
}

#[test]
fn only_the_stack_of_the_error_itself_is_in_its_record() {
    assert!(raised().record().stack.is_empty());
    let stack = BUG.error(SERVICE).build().record().stack;
    assert!(stack[0].contains("only_the_stack_of_the_error_itself"), "{stack:?}");
}

#[test]
fn other_processes_see_no_stack_no_place_and_the_public_part_of_the_context() {
    let record = raised().public_record();
    assert_eq!((record.location.as_str(), record.stack.len()), ("", 0));
    assert_eq!(record.context, Some(json!({ "rule": "default", "limit": 3 })));
    let without = |error: Error| error.public_record().context;
    assert_eq!(without(BUG.error(SERVICE).context(json!({ "a": 1 })).build()), None);
    assert_eq!(without(BUG.error(SERVICE).context(json!([1])).public_context(["a"]).build()), None);
    assert_eq!(without(BUG.error(SERVICE).context(json!({ "b": 1 })).public_context(["a"]).build()), None);
    // What a process received from another may go on to a third.
    let passed_on = record.into_error().public_record();
    assert_eq!(passed_on.context, Some(json!({ "rule": "default", "limit": 3 })));
    // But not what came from a store.
    assert_eq!(raised().record().into_error().public_record().context, None);
}

#[test]
fn a_fatal_error_of_another_process_is_not_fatal_here() {
    let error = raised();
    assert_eq!(error.severity(), ErrorSeverity::Fatal);
    let received = error.public_record().into_error();
    assert_eq!(received.severity(), ErrorSeverity::High);
    assert_eq!(received.public_record().severity, ErrorSeverity::Fatal, "it is passed on as it was");
    let low = ErrorRecord { severity: ErrorSeverity::Low, ..error.public_record() };
    assert_eq!(low.into_error().severity(), ErrorSeverity::Low);
}

#[test]
fn the_origin_is_shown_and_passed_on() {
    let origin = ErrorOrigin::new(
        DomainId::new(0xd0),
        AppId::new(0xa0),
        ReleaseId::new(1),
        InstanceId::new(0x17),
        0,
        String::new(),
    );
    let record = ErrorRecord { origin: Some(origin.clone()), ..raised().public_record() };
    let error = record.into_error();
    assert_eq!(error.origin(), Some(&origin));
    assert_eq!(error.public_record().origin, Some(origin));
    assert_eq!(
        error.to_json()["remote"],
        json!({ "domain": "d0", "app": "a0", "release": "1", "instance": "17" })
    );
    assert_eq!(raised().public_record().into_error().to_json()["remote"], json!({}));
    assert!(raised().to_json().get("remote").is_none());
    let text = format!("{error:#}");
    assert!(text.contains("from app a0, instance 17; received at"), "{text}");
}

#[test]
fn a_record_with_any_number_of_causes_is_a_short_chain() {
    let record = ErrorRecord { causes: vec!["again".to_owned(); 100_000], ..raised().public_record() };
    assert_eq!(record.into_error().chain().count(), 33);
    let none = ErrorRecord { causes: Vec::new(), message: String::new(), ..raised().public_record() };
    assert_eq!(none.into_error().to_string(), CONFIG_FAILURE.id.describe().to_string());
}
