//! The service as Prometheus sees it.

use std::{fs, fs::File};

use app_core::events;
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
    // 3: it could read all, and has remarks; on the one thing in which our names are none of Prometheus' choosing.
    assert!(matches!(promtool.code(), Some(0 | 3)), "{promtool:?}\n{metrics}");
    let said = promtool.stdout + &promtool.stderr;
    for remark in said.lines() {
        let of_names =
            remark.starts_with("op_") && remark.ends_with("counter metrics should have \"_total\" suffix");
        assert!(of_names, "{said}\n{metrics}");
    }
}
