//! The printed forms: always one line, except for the stack.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use app_ids::{ErrorId, ServiceId};

use super::*;
use crate::errors::{BUG, SERVICE_INIT_FAILED, SERVICE_NOT_ALIVE};
use crate::{BoxError, ErrSpec, ErrorSeverity, ErrorType};

const SERVICE: ServiceId = ServiceId::new(0x5e);

app_ids::ids! { NAMED: ServiceId = 0x0a3e_d5e1, "named"; }

fn error(message: &str) -> Error {
    SERVICE_NOT_ALIVE.error(SERVICE).message(message).build()
}

fn error_with(message: &str, cause: impl Into<BoxError>) -> Error {
    SERVICE_INIT_FAILED.error(SERVICE).message(message).cause(cause).build()
}

/// A foreign error that also prints its cause.
#[derive(Debug)]
struct Wrapper(Error);

impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrapped: {}", self.0)
    }
}

impl StdError for Wrapper {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_is_one_line_with_its_causes_behind_colons() {
    assert_eq!(error("a").to_string(), "a");
    assert_eq!(error_with("a", error_with("b", "c")).to_string(), "a: b: c");
}

#[test]
fn an_empty_message_prints_as_the_causes() {
    assert_eq!(error_with("", error("b")).to_string(), "b");
    assert_eq!(error_with("", error_with("", error_with("c", "d"))).to_string(), "c: d");
    assert_eq!(error_with("a", error_with("", "c")).to_string(), "a: c");
}

#[test]
fn an_error_without_any_text_prints_its_name_and_id() {
    assert_eq!(error("").to_string(), "ServiceNotAlive (9cb3a496d32894d2)");
    assert_eq!(error_with("", error("")).to_string(), "ServiceNotAlive (9cb3a496d32894d2)");
    assert_eq!(error_with("", "").to_string(), "ServiceInitFailed (ec1bf26105c1a895)");
    let unnamed = ErrSpec::new(ErrorId::new(0xabc), ErrorType::Bug, ErrorSeverity::Low);
    assert_eq!(unnamed.error(SERVICE).build().to_string(), "abc");
}

#[test]
fn a_cause_that_prints_its_own_cause_is_not_repeated() {
    assert_eq!(error_with("a", Wrapper(error("b"))).to_string(), "a: wrapped: b");
    assert_eq!(error_with("a", io::Error::other(error("b"))).to_string(), "a: b");
}

#[test]
fn control_characters_of_messages_and_causes_are_escaped() {
    let error = error_with("a\nb\r\t\u{1b}[31m", "c\u{85}\u{2028}d\u{202e}e\u{7f}\0");
    assert_eq!(error.to_string(), r"a\nb\r\t\u{1b}[31m: c\u{85}\u{2028}d\u{202e}e\u{7f}\u{0}");
    let tagged = BUG.error(SERVICE).message("m").tag("t\n").build();
    assert!(format!("{tagged:#}").contains(r"tags t\n;"));
}

#[test]
fn letters_of_every_language_backslashes_and_quotes_are_not_escaped() {
    let text = "C:\\temp \"größe\" 'e\u{301}' ไทย 🦀";
    assert_eq!(error(text).to_string(), text);
}

#[test]
fn the_alternate_form_adds_spec_service_tags_and_location_on_the_same_line() {
    let (error, line) = (SERVICE_NOT_ALIVE.error(NAMED).message("m").tags(["b", "a"]).build(), line!());
    let expected = format!(
        "m [error ServiceNotAlive (9cb3a496d32894d2), known_edge_case, high; service named (a3ed5e1); tags a, b; uid {}; \
         at {}:{line}:",
        error.uid(),
        file!(),
    );
    let printed = format!("{error:#}");
    assert!(printed.starts_with(&expected) && printed.ends_with(']'), "{printed}");
    let untagged = format!("{:#}", BUG.error(SERVICE).message("m").build());
    assert!(untagged.contains("; service 5e; uid "), "{untagged}");
}

#[test]
fn the_debug_form_adds_the_stack_if_there_is_one() {
    let without = error("m");
    assert_eq!(format!("{without:?}"), format!("{without:#}"));
    let with = BUG.error(SERVICE).message("m").build();
    let debug = format!("{with:?}");
    let (line, stack) = debug.split_once('\n').unwrap();
    assert_eq!(line, format!("{with:#}"));
    assert!(stack.contains("the_debug_form_adds_the_stack"), "{stack}");
    let around = format!("{:?}", error_with("outer", with));
    assert!(
        around.starts_with("outer: m [") && around.ends_with(stack),
        "an error without a stack prints that of its cause: {around}"
    );
}

#[test]
fn of_a_long_chain_the_beginning_is_printed_on_a_small_stack() {
    let work = || {
        let mut plain = error("0");
        let mut mixed = error("0");
        for at in 1..10_000 {
            plain = error_with(&at.to_string(), plain);
            mixed = error_with(&at.to_string(), io::Error::other(mixed));
        }
        let printed = plain.to_string();
        assert!(printed.starts_with("9999: 9998: 9997: "), "{printed}");
        assert!(printed.ends_with("9968: .. (further causes left out)"), "{printed}");
        assert!(format!("{plain:#}{plain:?}").contains("(further causes left out) [error"));
        assert!(mixed.to_string().starts_with("9999: 9998: 9997: "), "{mixed}");
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn errors_that_print_one_another_take_little_time_and_text() {
    let started = Instant::now();
    let error = (0..1_000).fold(error("innermost"), |cause, _| error_with("plain", Wrapper(cause)));
    let printed = error.to_string();
    assert!(printed.len() < 32 * 4_200, "{}", printed.len());
    // Without the limit of the depth, this would double with each of the 1,000 errors.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn of_a_cause_with_a_long_text_the_beginning_is_printed() {
    let printed = error_with("m", "ä".repeat(1_000_000)).to_string();
    assert_eq!(printed, format!("m: {}..", "ä".repeat(2_048)));
    let printed = error_with("m", format!("x{}", "ä".repeat(1_000_000))).to_string();
    assert_eq!(printed, format!("m: x{}..", "ä".repeat(2_047)));
    assert_eq!(error(&"m".repeat(10_000)).to_string().len(), 10_000);
}

/// An error that fails to print itself.
#[derive(Debug)]
struct Refuses;

impl fmt::Display for Refuses {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

impl StdError for Refuses {}

#[test]
fn a_cause_that_fails_to_print_is_left_out() {
    assert_eq!(error_with("m", Refuses).to_string(), "m");
}
