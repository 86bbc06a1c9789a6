//! The headers of W3C Trace Context: what is read, what counts as absent, and what is passed on.

use proptest::prelude::*;

use crate::trace::TraceContext;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn passed_on(traceparent: &str) -> Option<String> {
    TraceContext::parse(traceparent, None).map(|context| context.traceparent())
}

fn state(tracestate: &str) -> Option<String> {
    let context = TraceContext::parse(&format!("00-{TRACE}-{SPAN}-01"), Some(tracestate));
    context.expect("a tracestate never spoils the traceparent").tracestate().map(str::to_owned)
}

#[test]
fn a_traceparent_is_read_and_passed_on_as_version_0() {
    let sampled = format!("00-{TRACE}-{SPAN}-01");
    let unsampled = format!("00-{TRACE}-{SPAN}-00");
    let table = [
        (sampled.clone(), &sampled),
        (unsampled.clone(), &unsampled),
        // Spaces around a header do not belong to it.
        (format!(" \t00-{TRACE}-{SPAN}-01\t "), &sampled),
        // Only the lowest bit of the flags has a meaning.
        (format!("00-{TRACE}-{SPAN}-ff"), &sampled),
        (format!("00-{TRACE}-{SPAN}-fe"), &unsampled),
        (format!("00-{TRACE}-{SPAN}-03"), &sampled),
        // Later versions begin like version 0, and may go on after a dash.
        (format!("01-{TRACE}-{SPAN}-01"), &sampled),
        (format!("cc-{TRACE}-{SPAN}-01"), &sampled),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), &sampled),
        (format!("cc-{TRACE}-{SPAN}-01-"), &sampled),
        (format!("fe-{TRACE}-{SPAN}-00"), &unsampled),
    ];
    for (given, expected) in table {
        assert_eq!(passed_on(&given).as_ref(), Some(expected), "{given:?}");
    }
    let context = TraceContext::parse(&sampled, None).unwrap();
    assert_eq!((context.trace_id().to_string(), context.span_id().to_string()), (TRACE.into(), SPAN.into()));
    assert!(context.sampled() && context.is_remote() && !context.is_trusted());
    assert!(context.verified().is_trusted());
}

#[test]
fn a_malformed_traceparent_counts_as_absent() {
    let malformed = [
        String::new(),
        "00".into(),
        "00-".into(),
        TRACE.into(),
        // Version ff is forbidden.
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01-x"),
        // Version 0 has nothing behind the flags.
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        format!("00-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like"),
        format!("00-{TRACE}-{SPAN}-010"),
        format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-not-be-like"),
        format!("cc-{TRACE}-{SPAN}-01what"),
        // Ids of zeros.
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("cc-{}-{SPAN}-01", "0".repeat(32)),
        // Parts that are too short or too long.
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-{TRACE}-{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}0-01"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        // Only lower-case digits are allowed.
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("..-{TRACE}-{SPAN}-01"),
        format!("00-.{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-.{}-01", &SPAN[1..]),
        format!("00-{TRACE}-{SPAN}-.1"),
        format!("00-{TRACE}-{SPAN}-0."),
        // Other separators, and none.
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00{TRACE}{SPAN}01"),
        format!("00-{TRACE}-{SPAN} 01"),
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        // Characters of several bytes.
        format!("00-{TRACE}-{SPAN}-0ä"),
        "ä".repeat(28),
    ];
    for given in malformed {
        assert_eq!(passed_on(&given), None, "{given:?}");
    }
}

#[test]
fn a_tracestate_is_passed_on_without_what_says_nothing() {
    let table = [
        ("foo=1", "foo=1"),
        ("foo=1,bar=2", "foo=1,bar=2"),
        (" foo=1 ,\tbar=2\t", "foo=1,bar=2"),
        ("foo=1,,,bar=2,", "foo=1,bar=2"),
        ("foo= 1", "foo= 1"),
        ("foo=a b", "foo=a b"),
        ("foo=1,foo=2,bar=3", "foo=1,bar=3"),
        ("fw529a3039@dt=FfAVKqY=".strip_suffix('=').unwrap(), "fw529a3039@dt=FfAVKqY"),
        ("0a@b=1", "0a@b=1"),
        ("a_-*/0=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~", "a_-*/0=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~"),
    ];
    for (given, expected) in table {
        assert_eq!(state(given).as_deref(), Some(expected), "{given:?}");
    }
    let longest = [
        format!("{}=1", "z".repeat(256)),
        format!("{}@{}=1", "t".repeat(241), "v".repeat(14)),
        format!("a={}", "v".repeat(256)),
        (1..=32).map(|number| format!("bar{number:02}={number:02}")).collect::<Vec<_>>().join(","),
    ];
    for whole in longest {
        assert_eq!(state(&whole).as_deref(), Some(&*whole));
    }
}

#[test]
fn a_malformed_tracestate_is_left_out() {
    let malformed = [
        "".into(),
        ",".into(),
        " , ".into(),
        "foo".into(),
        "foo=".into(),
        "=1".into(),
        "foo=1;bar=2".replace(';', "=x,"),
        "foo =1".into(),
        "FOO=1".into(),
        "foo.bar=1".into(),
        "foo@=1,bar=2".into(),
        "@foo=1,bar=2".into(),
        "foo@@bar=1,bar=2".into(),
        "foo@bar@baz=1,bar=2".into(),
        "foo@1bar=1".into(),
        "foo=bar=baz".into(),
        "foo=\u{1}".into(),
        "foo=ä".into(),
        "foo=1\nbar".into(),
        "foo=1,bar".into(),
        format!("{}=1", "z".repeat(257)),
        format!("{}@{}=1", "t".repeat(242), "v"),
        format!("t@{}=1", "v".repeat(15)),
        format!("a={}", "v".repeat(257)),
        (1..=33).map(|number| format!("bar{number:02}={number:02}")).collect::<Vec<_>>().join(","),
        "a=1,".repeat(20_000),
    ];
    for given in malformed {
        assert_eq!(state(&given), None, "{given:?}");
    }
}

#[test]
fn a_tracestate_of_over_512_bytes_loses_its_longest_and_its_last_members() {
    let long = format!("long={}", "x".repeat(200));
    let short = |number: usize| format!("k{number}={}", "y".repeat(40));
    let members = [vec![short(1), long.clone(), short(2)], (3..12).map(short).collect()].concat();
    let kept = state(&members.join(",")).unwrap();
    assert!(kept.len() <= 512, "{}", kept.len());
    let expected: Vec<String> = (1..12).map(short).collect();
    assert_eq!(kept, expected.join(","), "the long one went, and that was enough");

    let members: Vec<String> = (1..20).map(short).collect();
    let kept = state(&members.join(",")).unwrap();
    assert!(kept.len() <= 512 && kept.len() > 440, "{}", kept.len());
    assert!(members.join(",").starts_with(&kept), "the last ones went");
}

proptest! {
    #[test]
    fn any_header_is_read_without_a_panic_and_what_is_passed_on_is_well_formed(
        parent in "\\PC{0,80}",
        version in "[0-9a-f]{2}",
        flags in "[0-9a-f]{2}",
        tail in "(-[ -~]{0,9})?",
        tracestate in "([a-z0-9@]{1,4}=[ -~]{0,6},?){0,40}",
    ) {
        let _ = TraceContext::parse(&parent, Some(&tracestate));
        let built = format!("{version}-{TRACE}-{SPAN}-{flags}{tail}");
        if let Some(context) = TraceContext::parse(&built, Some(&tracestate)) {
            let again = TraceContext::parse(&context.traceparent(), context.tracestate());
            prop_assert_eq!(again, Some(context));
        } else {
            prop_assert!(version == "ff" || (version == "00" && !tail.is_empty()));
        }
    }
}
