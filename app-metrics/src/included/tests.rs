//! Tests of the recorder, and of the names and labels of others.

use super::facade::{DEFAULT_BUCKETS, Facade, FacadeSettings, MAX_NAMES};
use super::labels;
use super::meters::Reason;
use std::time::Duration;

fn facade(prefixes: &[&str], max_series: usize, idle: Option<Duration>) -> Facade {
    Facade::new(FacadeSettings {
        prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
        buckets: DEFAULT_BUCKETS.into(),
        idle,
        max_series,
    })
}

#[test]
fn names_are_bounded_and_the_rest_is_counted_once_a_scrape() {
    let facade = facade(&["a_"], 10, None);
    metrics::with_local_recorder(&facade, || {
        for number in 0..MAX_NAMES + 5 {
            metrics::counter!(format!("a_{number}")).increment(1);
        }
        metrics::counter!("b").increment(1);
    });
    let (families, drops) = facade.collect("x=\"y\"");
    assert_eq!(families.len(), MAX_NAMES);
    assert_eq!(drops.of(Reason::NamesCap), 5);
    assert_eq!(&*families[0].series[0].labels, "x=\"y\"");
    let (_, drops) = facade.collect("x=\"y\"");
    assert_eq!(drops.of(Reason::NamesCap), 0);
}

#[test]
fn idle_series_go_unless_somebody_keeps_the_handle() {
    let facade = facade(&["a"], 10, Some(Duration::ZERO));
    let kept = metrics::with_local_recorder(&facade, || {
        metrics::counter!("a_idle").increment(1);
        metrics::histogram!("a_time").record(1.0);
        metrics::gauge!("a_kept")
    });
    let shown = || facade.collect("").0.iter().map(|family| family.base.clone()).collect::<Vec<_>>();
    assert_eq!(shown(), ["a_idle", "a_kept", "a_time"]);
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(5) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(shown(), ["a_kept"]);
    kept.set(1.0);
    metrics::with_local_recorder(&facade, || metrics::gauge!("a_idle").set(2.0));
    assert_eq!(shown(), ["a_idle", "a_kept"], "the name is free for another kind");
}

#[test]
fn the_overflow_series_is_one_for_each_set_of_label_names() {
    let facade = facade(&["a"], 3, None);
    metrics::with_local_recorder(&facade, || {
        for number in 0..50 {
            metrics::counter!("a", "one" => number.to_string()).increment(1);
            metrics::counter!("a", format!("name_{number}") => "x").increment(1);
        }
    });
    let (families, drops) = facade.collect("");
    assert!(families[0].series.len() <= 3 + 16, "{}", families[0].series.len());
    assert!(drops.of(Reason::SeriesCap) >= 80);
}

#[test]
fn labels_are_read_strictly() {
    let read = |text| labels::read(text).map(|labels| (labels.pairs, labels.rest));
    assert_eq!(read(" 1"), Some((vec![], " 1")));
    assert_eq!(read("{} 1"), Some((vec![], " 1")));
    let two = vec![("a".to_owned(), "x\\\"}"), ("exported_svc".to_owned(), "y")];
    assert_eq!(read("{a=\"x\\\"}\",,svc=\"y\"} 1"), Some((two, " 1")));
    for malformed in [
        "{",
        "{a=\"b\"",
        "{a=b} 1",
        "{a=\"b\\x\"} 1",
        "{a=\"b\"c=\"d\"} 1",
        "{a=\"b\",a=\"c\"} 1",
        "{=\"b\"} 1",
    ] {
        assert_eq!(read(malformed), None, "{malformed}");
    }
    assert_eq!(labels::family_name("a.b-c:d").as_deref(), Some("a_b_c:d"));
    assert_eq!(labels::family_name("9a").as_deref(), Some("_9a"));
    for refused in ["", "_", "a b", "a\n", "a{", "\u{e9}"] {
        assert_eq!(labels::family_name(refused), None, "{refused}");
    }
}
