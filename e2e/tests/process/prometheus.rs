//! The service as Prometheus sees it.

use std::{collections::BTreeSet, fs, fs::File};

use app_core::{APP_SERVICE, events};
use app_metrics::platform::BUILD_INFO;
use nix::sys::signal::Signal;
use svc_example::{GRANTS, QUOTA};

use crate::{
    files::Configs,
    http::get,
    program::Program,
    scraper::{PACKAGE, Scraper},
    tools,
};

#[test]
fn prometheus_scrapes_the_service_and_sees_it_go() {
    let configs = Configs::any_port();
    let service = configs.service().start();
    let Some(prometheus) = Scraper::of(service.ready(), &[]) else { return };

    prometheus.sample("up{job=\"quota\"}", "1");
    let granted = format!("{}_total{{rule=\"default\",outcome=\"granted\"}}", GRANTS.prometheus_name(QUOTA));
    let sample = prometheus.sample(&granted, "0");
    assert_eq!(sample["metric"]["svc"], QUOTA.hex());
    let instance = service.event(events::APP_STARTED)["instance"].clone();
    assert_eq!(sample["metric"]["exported_instance"], instance, "Prometheus keeps `instance` for the target");

    service.signal(Signal::SIGTERM);
    service.ended().expect_code(0);
    prometheus.sample("up{job=\"quota\"}", "0");
    prometheus.stop();
}

/// The series of one process: its samples without their values.
fn series_of_a_start(labels: &[&str]) -> BTreeSet<String> {
    let configs = Configs::none().metrics(|mut spec| {
        spec.set_http_port(0);
        spec.set_bind_address("127.0.0.1");
        let mut list = spec.init_constant_labels(u32::try_from(labels.len()).unwrap());
        for (index, label) in (0..).zip(labels) {
            list.set(index, *label);
        }
    });
    let service = configs.service().start();
    let metrics = get(service.ready(), "/metrics").body;
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    let series = samples.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned());
    let series: BTreeSet<_> = series.collect();
    let of_instance = series.iter().filter(|series| series.contains(",instance=\""));
    let build_info = BUILD_INFO.prometheus_name(APP_SERVICE);
    let mut others = of_instance.filter(|series| !series.starts_with(&build_info));
    assert_eq!(others.next().is_none(), labels.contains(&"svc"), "{labels:?}");
    assert!(series.iter().any(|series| series.starts_with(&build_info) && series.contains(",instance=\"")));
    series
}

/// `docs/OPERATING.md` says how much this saves. With `--nocapture`, the test prints the numbers.
#[test]
fn without_the_instance_label_a_start_makes_no_new_series_but_one() {
    const STARTS: usize = 6;
    let counted = [&[][..], &["domain", "app", "svc", "release"]].map(|labels| {
        let starts = (0..STARTS).map(|_| series_of_a_start(labels));
        let starts: Vec<BTreeSet<String>> = starts.collect();
        let most = starts.iter().map(BTreeSet::len).max().unwrap();
        let all: BTreeSet<&String> = starts.iter().flatten().collect();
        println!("{STARTS} starts with {labels:?}: {} series, of a start {most}", all.len());
        (all.len(), most)
    });
    let [(with, _), (without, of_one)] = counted;
    // A process may lack a series that only an event creates, such as a log level that was used.
    assert!(without < of_one + 3 * STARTS, "{without} series, {of_one} of one start");
    assert!(with > without * (STARTS - 1), "{with} series with the label, {without} without");
}

#[test]
fn promtool_reads_all_metrics_and_remarks_on_nothing_but_names() {
    if !tools::installed("promtool", &["--version"], PACKAGE) {
        return;
    }
    let configs = Configs::any_port().rules(&[("größte \"Regel\" \\", |mut rule| rule.set_permits(1))]);
    let service = configs.service().start();
    let metrics = get(service.ready(), "/metrics").body;
    let file = configs.path().join("metrics.txt");
    fs::write(&file, &metrics).unwrap();
    let promtool =
        Program::new("promtool").args(["check", "metrics"]).stdin(File::open(&file).unwrap()).run();
    // Exit status 3: promtool could parse everything and has remarks. The only remark is about the names of counters.
    assert!(matches!(promtool.code(), Some(0 | 3)), "{promtool:?}\n{metrics}");
    let said = promtool.stdout + &promtool.stderr;
    for remark in said.lines() {
        let of_names =
            remark.starts_with("op_") && remark.ends_with("counter metrics should have \"_total\" suffix");
        assert!(of_names, "{said}\n{metrics}");
    }
}
