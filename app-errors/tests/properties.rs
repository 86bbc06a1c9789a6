//! Properties of errors that are made of arbitrary parts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use app_errors::{ErrSpec, Error, ErrorOrigin, ErrorReport, ErrorSeverity, ErrorType};
use app_ids::{AppId, DomainId, ErrorId, InstanceId, ReleaseId, ServiceId};
use proptest::collection::vec;
use proptest::prelude::*;

fn any_type() -> impl Strategy<Value = ErrorType> {
    prop_oneof![Just(ErrorType::Bug), Just(ErrorType::KnownEdgeCase), Just(ErrorType::Config)]
}

fn any_severity() -> impl Strategy<Value = ErrorSeverity> {
    use ErrorSeverity::{Fatal, High, Low, Medium};
    prop_oneof![Just(Low), Just(Medium), Just(High), Just(Fatal)]
}

/// Texts, also with characters that forge lines, move cursors and change the direction of text.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\0\\\\\"']{0,40}"
    ]
}

/// The messages of a chain, outermost first. The last one belongs to a foreign error.
fn any_chain() -> impl Strategy<Value = Vec<String>> {
    vec(any_text(), 1..6)
}

fn any_spec() -> impl Strategy<Value = ErrSpec> {
    (any::<u64>(), any_type(), any_severity()).prop_map(|(id, error_type, severity)| {
        ErrSpec::new(ErrorId::new(id), error_type, severity).without_stack()
    })
}

fn build(spec: &ErrSpec, service: u64, messages: &[String], tags: &[String]) -> Error {
    let service = ServiceId::new(service);
    let (first, causes) = messages.split_first().unwrap();
    let cause = causes.iter().rev().fold(None, |cause: Option<Error>, message| {
        let error = spec.error(service).message(message);
        Some(match cause {
            Some(cause) => error.cause(cause).build(),
            None => error.cause(message.clone()).build(),
        })
    });
    let error = spec.error(service).message(first).tags(tags);
    match cause {
        Some(cause) => error.cause(cause).build(),
        None => error.build(),
    }
}

/// Characters that a printed error must not contain.
fn breaks_the_line(c: char) -> bool {
    c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
}

proptest! {
    #[test]
    fn any_error_prints_on_one_line_that_is_not_empty(
        spec in any_spec(), service: u64, messages in any_chain(), tags in vec(any_text(), 0..4),
    ) {
        let error = build(&spec, service, &messages, &tags);
        for printed in [error.to_string(), format!("{error:#}"), format!("{error:?}")] {
            prop_assert!(!printed.is_empty());
            prop_assert!(!printed.contains(breaks_the_line), "{:?}", printed);
        }
        let detailed = format!("{error:#}");
        prop_assert!(detailed.starts_with(&error.to_string()));
    }

    #[test]
    fn tags_are_the_sorted_set_of_the_given_ones(tags in vec("[a-c]{0,2}", 0..12), more in "[a-d]{0,2}") {
        let spec = ErrSpec::new(ErrorId::new(1), ErrorType::Bug, ErrorSeverity::Low).without_stack();
        let given = tags.clone();
        let error = spec.error(ServiceId::new(1)).tags(&tags).build();
        prop_assert_eq!(&tags, &given);
        let mut set: BTreeSet<String> = given.into_iter().collect();
        prop_assert_eq!(error.tags(), set.iter().cloned().collect::<Vec<_>>());
        set.insert(more.clone());
        let tagged = error.with_tag(more);
        prop_assert_eq!(tagged.tags(), set.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn json_survives_being_written_and_read(
        spec in any_spec(), service: u64, messages in any_chain(), tags in vec(any_text(), 0..4), instance: u64,
    ) {
        let error = build(&spec, service, &messages, &tags);
        let origin = ErrorOrigin::new(
            DomainId::new(0), AppId::new(1), ReleaseId::new(u64::MAX), InstanceId::new(instance), 1, messages[0].clone(),
        );
        let json = ErrorReport::new(&error, &origin).to_json();
        let text = json.to_string();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&text).unwrap(), &json);
        prop_assert_eq!(&json["id"], &spec.id.hex());
        prop_assert_eq!(&json["severity"], &spec.severity.to_string());
        prop_assert_eq!(&json["type"], &spec.error_type.to_string());
        prop_assert_eq!(&json["instance"], &format!("{instance:x}"));
    }

    #[test]
    fn a_chain_has_exactly_the_errors_that_it_was_made_of(ids in vec(0..6_u64, 1..6), asked in 0..6_u64) {
        let spec = |id| ErrSpec::new(ErrorId::new(id), ErrorType::Bug, ErrorSeverity::Low).without_stack();
        let chain = ids.iter().fold(None, |cause: Option<Error>, id| {
            let error = spec(*id).error(ServiceId::new(1));
            Some(match cause {
                Some(cause) => error.cause(cause).build(),
                None => error.build(),
            })
        });
        let chain = chain.unwrap();
        prop_assert_eq!(chain.chain_has(&spec(asked)), ids.contains(&asked));
        prop_assert_eq!(chain.is(&spec(asked)), ids.last() == Some(&asked));
        prop_assert_eq!(chain.chain().count(), ids.len());
    }
}
