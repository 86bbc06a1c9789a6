//! The values of an error, and searches in its chain of causes.

use std::fmt;
use std::io;
use std::num::ParseIntError;
use std::thread;

use serde_json::json;

use super::*;
use crate::errors::{BUG, CONFIG_FAILURE, ILLEGAL_ARGUMENT, SERVICE_INIT_FAILED, SERVICE_NOT_ALIVE};

const SERVICE: ServiceId = ServiceId::new(0x5e);

fn not_a_number() -> ParseIntError {
    "x".parse::<u32>().unwrap_err()
}

#[test]
fn an_error_has_what_the_builder_got() {
    let before = SystemTime::now();
    let error = CONFIG_FAILURE
        .error(SERVICE)
        .cause(not_a_number())
        .message("rules[2]: burst is no number")
        .context(json!({ "rule": 2 }))
        .tag("CONFIG")
        .build();
    assert_eq!(error.spec(), &CONFIG_FAILURE);
    assert_eq!(error.id(), CONFIG_FAILURE.id);
    assert_eq!(error.error_type(), ErrorType::Config);
    assert_eq!(error.severity(), ErrorSeverity::Fatal);
    assert_eq!(error.message(), "rules[2]: burst is no number");
    assert_eq!(error.cause().unwrap().to_string(), not_a_number().to_string());
    assert_eq!(error.context(), Some(&json!({ "rule": 2 })));
    assert_eq!(error.tags(), ["CONFIG"]);
    assert_eq!(error.service(), SERVICE);
    assert!((before..=SystemTime::now()).contains(&error.time()));
}

#[test]
fn an_error_without_optional_values_is_empty() {
    let error = BUG.error(SERVICE).build();
    assert_eq!((error.message(), error.tags().len()), ("", 0));
    assert!(error.cause().is_none() && error.context().is_none() && error.source().is_none());
}

#[test]
fn tags_are_sorted_and_unique_and_the_callers_list_is_unchanged() {
    let given = vec!["b".to_owned(), "a".to_owned(), "b".to_owned()];
    let error = BUG.error(SERVICE).tag("c").tags(&given).tags(["a", "d"]).build();
    assert_eq!(error.tags(), ["a", "b", "c", "d"]);
    assert_eq!(given, ["b", "a", "b"]);
}

#[test]
fn another_tag_makes_a_copy_of_the_same_occurrence() {
    let plain = BUG.error(SERVICE).cause(not_a_number()).message("m").tags(["a", "c"]).build();
    let tagged = plain.with_tag("b");
    assert_eq!(plain.tags(), ["a", "c"]);
    assert_eq!(tagged.tags(), ["a", "b", "c"]);
    assert_eq!(
        (tagged.uid(), tagged.time(), tagged.location()),
        (plain.uid(), plain.time(), plain.location())
    );
    assert_eq!(tagged.stack().unwrap().addresses(), plain.stack().unwrap().addresses());
    assert!(tagged.downcast_cause::<ParseIntError>().is_some());
    assert_eq!(tagged.with_tag("b").tags(), tagged.tags());
    drop(plain);
    assert_eq!(tagged.to_string(), "m: invalid digit found in string");
}

#[test]
fn an_error_is_one_pointer_that_threads_may_share() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Error>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    let error = BUG.error(SERVICE).build();
    let clone = error.clone();
    assert_eq!(thread::spawn(move || clone.uid()).join().unwrap(), error.uid());
}

#[test]
fn a_cause_is_found_by_its_type_at_any_depth() {
    let inner = ILLEGAL_ARGUMENT.error(SERVICE).cause(not_a_number()).build();
    let middle = SERVICE_INIT_FAILED.error(SERVICE).cause(inner.clone()).build();
    let outer = BUG.error(SERVICE).cause(middle.clone()).build();
    assert_eq!(outer.downcast_cause::<ParseIntError>(), Some(&not_a_number()));
    assert_eq!(outer.downcast_cause::<Error>().unwrap().uid(), middle.uid());
    assert!(outer.downcast_cause::<fmt::Error>().is_none());
    assert_eq!(outer.chain().count(), 4);
    assert_eq!(inner.chain().count(), 2);
}

#[test]
fn a_chain_has_the_errors_of_all_its_links_and_no_others() {
    let inner = SERVICE_NOT_ALIVE.error(SERVICE).build();
    let outer = SERVICE_INIT_FAILED.error(SERVICE).cause(inner).build();
    assert!(outer.is(&SERVICE_INIT_FAILED) && !outer.is(&SERVICE_NOT_ALIVE));
    assert!(outer.chain_has(&SERVICE_INIT_FAILED) && outer.chain_has(&SERVICE_NOT_ALIVE));
    assert!(!outer.chain_has(&BUG));
}

#[test]
fn an_error_that_an_io_error_carries_is_found() {
    let inner = SERVICE_NOT_ALIVE.error(SERVICE).build();
    let carrier = io::Error::other(io::Error::other(inner.clone()));
    let outer = SERVICE_INIT_FAILED.error(SERVICE).cause(carrier).build();
    assert!(outer.chain_has(&SERVICE_NOT_ALIVE));
    assert_eq!(outer.downcast_cause::<Error>().unwrap().uid(), inner.uid());
    assert!(outer.downcast_cause::<io::Error>().is_some());
}

#[test]
fn is_error_compares_type_and_id_but_not_causes() {
    let error = SERVICE_NOT_ALIVE.error(SERVICE).build();
    assert!(is_error(&error, SERVICE_NOT_ALIVE.id));
    assert!(!is_error(&error, BUG.id));
    assert!(!is_error(&not_a_number(), SERVICE_NOT_ALIVE.id));
    assert!(!is_error(&not_a_number(), BUG.id));
    assert!(!is_error(&io::Error::other(error.clone()), SERVICE_NOT_ALIVE.id));
    let boxed: Box<dyn StdError + Send + Sync> = error.into();
    assert!(is_error(&*boxed, SERVICE_NOT_ALIVE.id));
}

#[test]
fn the_same_spec_with_and_without_stack_is_the_same_error() {
    let error = SERVICE_NOT_ALIVE.error(SERVICE).build();
    assert!(error.is(&ErrSpec { captures_stack: true, ..SERVICE_NOT_ALIVE }));
}

/// An error that is its own cause.
#[derive(Debug)]
struct Loops;

impl fmt::Display for Loops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("loops")
    }
}

impl StdError for Loops {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self)
    }
}

#[test]
fn a_cause_that_is_its_own_cause_does_not_hang() {
    let error = BUG.error(SERVICE).cause(Loops).message("m").build();
    assert!(!error.chain_has(&SERVICE_NOT_ALIVE));
    assert_eq!(error.to_string(), "m: loops: .. (further causes left out)");
}
