//! Values are written one way, and whatever is odd is refused with a reason.

use std::time::Duration;

use app_ids::AppId;

use super::*;

#[test]
fn a_duration_has_units_or_is_a_number_of_seconds() {
    for (text, millis) in [
        ("0", 0),
        ("2", 2_000),
        ("0.5", 500),
        ("5s", 5_000),
        ("500ms", 500),
        ("1m30s", 90_000),
        ("1m 30s", 90_000),
        ("1.5h", 5_400_000),
        (" 7s\n", 7_000),
        ("\t3\r\n", 3_000),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text:?}");
    }
}

#[test]
fn what_is_no_duration_is_refused_with_a_reason() {
    for odd in [
        "",
        " ",
        "soon",
        "-1",
        "+1",
        "-5s",
        "NaN",
        "inf",
        "1e3",
        "1e999",
        "5 parsecs",
        ".",
        "5.",
        "s",
        "0x10",
        "1,5",
    ] {
        let reason = parse_duration(odd).unwrap_err();
        assert!(
            reason.starts_with("expected a time with its unit, such as 5s or 500ms"),
            "{odd:?}: {reason}"
        );
    }
    for large in ["99999999999999999999999", "99999999999999999999999s", "99999999999999999y"] {
        assert_eq!(parse_duration(large).unwrap_err(), "the number is too large or too precise", "{large:?}");
    }
}

#[test]
fn a_duration_out_of_bounds_is_told_the_bound() {
    let bounded = duration_between(Duration::from_millis(2)..=Duration::from_secs(3600));
    assert_eq!(bounded("1h"), Ok(Duration::from_secs(3600)));
    assert_eq!(bounded("0").unwrap_err(), "expected a duration above 0");
    assert_eq!(bounded("1ms").unwrap_err(), "expected at least 2ms");
    assert_eq!(bounded("3601").unwrap_err(), "expected at most 1h");
}

#[test]
fn a_number_is_whole_and_within_bounds() {
    let threads = number(1_u16..=1024);
    assert_eq!((threads("1"), threads(" 1024\n")), (Ok(1), Ok(1024)));
    for odd in ["", "0", "1025", "-1", "1.5", "1e3", "many", "99999999999999999999999"] {
        assert_eq!(threads(odd).unwrap_err(), "expected a whole number from 1 to 1024", "{odd:?}");
    }
}

#[test]
fn spaces_and_line_breaks_around_a_value_are_dropped_and_inside_it_refused() {
    assert_eq!(trimmed::<AppId>(" 0xa0\r\n"), Ok(AppId::new(0xa0)));
    assert!(trimmed::<AppId>("0x a0").is_err());
    assert_eq!((boolean("YES\n"), boolean(" off ")), (Ok(true), Ok(false)));
    assert!(boolean("o n").is_err() && boolean("maybe").is_err() && boolean("").is_err());
}
