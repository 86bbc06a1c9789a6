//! Rates, quantiles, gaps and bounds of the kept hour.

use super::*;

fn text(counter: f64, gauge: f64) -> String {
    format!("# HELP c calls: Calls.\n# TYPE c counter\nc{{svc=\"1\"}} {counter}\n# TYPE g gauge\ng {gauge}\n")
}

fn values(history: &History, name: &str) -> Vec<Option<f64>> {
    let points = history.points(&[name], 0);
    let values = points["families"][name][0]["values"].as_array().cloned().unwrap_or_default();
    values.iter().map(Value::as_f64).collect()
}

#[test]
fn a_counter_becomes_a_rate_and_a_gauge_stays() {
    let mut history = History::default();
    for (at, count) in [(1_000, 10.0), (6_000, 20.0), (11_000, 20.0), (16_000, 5.0), (21_000, 10.0)] {
        history.take("a", at, &text(count, count));
    }
    assert_eq!(values(&history, "c"), [None, Some(2.0), Some(0.0), None, Some(1.0)], "a reset is a gap");
    assert_eq!(values(&history, "g"), [10.0, 20.0, 20.0, 5.0, 10.0].map(Some));
    assert_eq!(history.points(&["g"], 11_000)["times"], json!([16_000, 21_000]));
    assert_eq!(history.last("g", ""), Some(10.0));
}

#[test]
fn where_nobody_looked_and_where_the_process_is_another_there_is_no_rate() {
    let mut history = History::default();
    history.take("a", 1_000, &text(10.0, 1.0));
    history.take("a", 6_000, &text(20.0, 1.0));
    history.take("a", 600_000, &text(30.0, 1.0));
    history.take("a", 605_000, &text(40.0, 1.0));
    history.take("b", 610_000, &text(50.0, 1.0));
    assert_eq!(values(&history, "c"), [None, Some(2.0), None, Some(2.0), None]);
}

#[test]
fn an_hour_is_kept_and_no_more() {
    let mut history = History::default();
    for at in 1..=2_000 {
        let gone = if at < 1_000 { "# TYPE old gauge\nold 1\n" } else { "" };
        history.take("a", at * 5_000, &format!("{}{gone}", text(at as f64, 1.0)));
    }
    assert_eq!(values(&history, "g").len(), MOST_MOMENTS);
    assert!(!history.families.contains_key("old"), "it has no value left");
    assert_eq!(history.series, 2);
    history.take("a", 2_000 * 5_000 + 3_600_001, &text(1.0, 1.0));
    assert_eq!(values(&history, "g").len(), 1, "all others are older than an hour");
}

#[test]
fn series_are_bounded_and_the_rest_is_counted() {
    let mut history = History::default();
    let family = |name: usize, series: usize| {
        let lines = (0..series).map(|at| format!("f{name}{{a=\"{at}\"}} 1\n"));
        format!("# TYPE f{name} gauge\n{}", lines.collect::<String>())
    };
    history.take("a", 1_000, &family(0, MOST_OF_FAMILY + 5));
    assert_eq!((history.series, history.left_out), (MOST_OF_FAMILY, 5));
    let many: String = (0..MOST_SERIES + 7).map(|name| family(name, 1)).collect();
    let mut history = History::default();
    history.take("a", 1_000, &many);
    assert_eq!((history.series, history.left_out), (MOST_SERIES, 7));
    assert_eq!(history.list()["left_out"], 7);
}

#[test]
fn a_histogram_is_shown_by_what_was_added() {
    let sample = |fast: u32, slow: u32| {
        let all = fast + slow;
        format!(
            "# TYPE h histogram\nh_bucket{{le=\"0.1\"}} {fast}\nh_bucket{{le=\"1\"}} {all}\nh_bucket{{le=\"+Inf\"}} {all}\nh_sum 1\nh_count {all}\n"
        )
    };
    let mut history = History::default();
    history.take("a", 1_000, &sample(1_000, 0));
    history.take("a", 6_000, &sample(1_000, 100));
    let points = history.points(&["h"], 1_000);
    let of = |label: &str| {
        let series = points["families"]["h"].as_array().unwrap();
        series.iter().find(|series| series["label"] == label).unwrap()["values"][0].as_f64().unwrap()
    };
    assert_eq!(of("rate"), 20.0);
    assert!((of("p50") - 0.55).abs() < 1e-9, "all new ones are between 0.1 and 1: {points}");
    assert!(of("p99") > 0.98 && of("p99") <= 1.0, "{points}");
}

#[test]
fn a_clock_that_goes_back_and_texts_without_end_do_no_harm() {
    let mut history = History::default();
    history.take("a", 6_000, &text(1.0, 1.0));
    history.take("a", 1_000, &text(2.0, 2.0));
    assert_eq!(history.last_moment(), 6_000);
    let long = "é".repeat(10_000);
    history.take("a", 7_000, &format!("# HELP x {long}\n# TYPE x gauge\nx{{a=\"{long}\"}} 1e300\n"));
    let list = history.list().to_string();
    assert!(list.len() < 3_000, "{} bytes", list.len());
    assert_eq!(values(&history, "x"), [None, Some(1e300)]);
}
