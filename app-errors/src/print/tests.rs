//! One line for people, whatever the parts are.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use app_ids::{ErrorId, ServiceId};

use super::*;
use crate::errors::{BUG, SERVICE_INIT_FAILED, SERVICE_NOT_ALIVE};
use crate::{BoxError, ErrSpec, ErrorSeverity, ErrorType};

const SERVICE: ServiceId = ServiceId::new(0x5e);

app_ids::ids! { NAMED: ServiceId = 0x0a3e_d5e1, "named"; }

fn says(message: &str) -> Error {
    SERVICE_NOT_ALIVE.error(SERVICE).message(message).build()
}

fn says_because(message: &str, cause: impl Into<BoxError>) -> Error {
    SERVICE_INIT_FAILED.error(SERVICE).message(message).cause(cause).build()
}

/// An error of another library that prints its cause as well.
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
    assert_eq!(says("a").to_string(), "a");
    assert_eq!(says_because("a", says_because("b", "c")).to_string(), "a: b: c");
}

#[test]
fn an_empty_message_prints_as_the_causes() {
    assert_eq!(says_because("", says("b")).to_string(), "b");
    assert_eq!(says_because("", says_because("", says_because("c", "d"))).to_string(), "c: d");
    assert_eq!(says_because("a", says_because("", "c")).to_string(), "a: c");
}

#[test]
fn an_error_without_any_text_prints_which_one_it_is() {
    assert_eq!(says("").to_string(), "ServiceNotAlive (9cb3a496d32894d2)");
    assert_eq!(says_because("", says("")).to_string(), "ServiceNotAlive (9cb3a496d32894d2)");
    assert_eq!(says_because("", "").to_string(), "ServiceInitFailed (ec1bf26105c1a895)");
    let unnamed = ErrSpec::new(ErrorId::new(0xabc), ErrorType::Bug, ErrorSeverity::Low);
    assert_eq!(unnamed.error(SERVICE).build().to_string(), "abc");
}

#[test]
fn a_cause_that_prints_its_own_cause_is_not_repeated() {
    assert_eq!(says_because("a", Wrapper(says("b"))).to_string(), "a: wrapped: b");
    assert_eq!(says_because("a", io::Error::other(says("b"))).to_string(), "a: b");
}

#[test]
fn control_characters_are_escaped_whoever_wrote_them() {
    let error = says_because("a\nb\r\t\u{1b}[31m", "c\u{85}\u{2028}d\u{202e}e\u{7f}\0");
    assert_eq!(error.to_string(), r"a\nb\r\t\u{1b}[31m: c\u{85}\u{2028}d\u{202e}e\u{7f}\u{0}");
    let tagged = BUG.error(SERVICE).message("m").tag("t\n").build();
    assert!(format!("{tagged:#}").contains(r"tags t\n;"));
}

#[test]
fn letters_of_every_language_backslashes_and_quotes_are_left_as_they_are() {
    let text = "C:\\temp \"größe\" 'e\u{301}' ไทย 🦀";
    assert_eq!(says(text).to_string(), text);
}

#[test]
fn the_alternate_form_adds_which_whose_tags_and_place_on_the_same_line() {
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
fn the_debug_form_adds_the_stack_and_only_if_there_is_one() {
    let without = says("m");
    assert_eq!(format!("{without:?}"), format!("{without:#}"));
    let with = BUG.error(SERVICE).message("m").build();
    let debug = format!("{with:?}");
    let (line, stack) = debug.split_once('\n').unwrap();
    assert_eq!(line, format!("{with:#}"));
    assert!(stack.contains("the_debug_form_adds_the_stack"), "{stack}");
    let around = format!("{:?}", says_because("outer", with));
    assert!(
        around.starts_with("outer: m [") && around.ends_with(stack),
        "the cause's, where it has none: {around}"
    );
}

#[test]
fn of_a_long_chain_the_head_is_printed_on_a_small_stack() {
    let work = || {
        let mut ours = says("0");
        let mut mixed = says("0");
        for at in 1..10_000 {
            ours = says_because(&at.to_string(), ours);
            mixed = says_because(&at.to_string(), io::Error::other(mixed));
        }
        let printed = ours.to_string();
        assert!(printed.starts_with("9999: 9998: 9997: "), "{printed}");
        assert!(printed.ends_with("9968: .. (further causes left out)"), "{printed}");
        assert!(format!("{ours:#}{ours:?}").contains("(further causes left out) [error"));
        assert!(mixed.to_string().starts_with("9999: 9998: 9997: "), "{mixed}");
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn errors_that_print_one_another_end_soon_and_short() {
    let started = Instant::now();
    let error = (0..1_000).fold(says("innermost"), |cause, _| says_because("ours", Wrapper(cause)));
    let printed = error.to_string();
    assert!(printed.len() < 32 * 4_200, "{}", printed.len());
    // Without a bound this would take longer than the universe is old.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn of_a_cause_with_a_long_text_the_head_is_printed() {
    let printed = says_because("m", "ä".repeat(1_000_000)).to_string();
    assert_eq!(printed, format!("m: {}..", "ä".repeat(2_048)));
    let printed = says_because("m", format!("x{}", "ä".repeat(1_000_000))).to_string();
    assert_eq!(printed, format!("m: x{}..", "ä".repeat(2_047)));
    assert_eq!(says(&"m".repeat(10_000)).to_string().len(), 10_000);
}

/// An error whose text can't be had.
#[derive(Debug)]
struct Refuses;

impl fmt::Display for Refuses {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

impl StdError for Refuses {}

#[test]
fn a_cause_that_refuses_to_print_is_left_out() {
    assert_eq!(says_because("m", Refuses).to_string(), "m");
}
