//! The service as Prometheus sees it.

use std::{fs, fs::File, net::SocketAddr};

use app_core::events;
use nix::sys::signal::Signal;
use serde_json::Value;
use svc_example::{GRANTS, QUOTA};

use crate::{
    files::Configs,
    http::{get, listening, try_get},
    program::{Program, poll},
    tools,
};

const PACKAGE: &str = "prometheus";

#[test]
fn prometheus_scrapes_the_service_and_sees_it_go() {
    if !tools::installed("prometheus", &["--version"], PACKAGE) {
        return;
    }
    let configs = Configs::any_port();
    let service = configs.service().start();
    let target = service.ready();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("prometheus.yml");
    let scrapes = format!(
        "global: {{ scrape_interval: 200ms }}\n\
         scrape_configs: [{{ job_name: quota, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
    );
    fs::write(&config, scrapes).unwrap();
    let prometheus = Program::new("prometheus")
        .args([
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.path().join("data").display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ])
        .start();
    let api = listening(&prometheus);

    let scraped = |query: &str, value: &str| {
        poll(query, || samples(api, query).into_iter().find(|sample| sample["value"][1] == value))
    };
    scraped("up{job=\"quota\"}", "1");
    let granted = format!("{}{{rule=\"default\",outcome=\"granted\"}}", GRANTS.prometheus_name(QUOTA));
    let sample = scraped(&granted, "0");
    assert_eq!(sample["metric"]["svc"], QUOTA.hex());
    let instance = service.event(events::APP_STARTED)["instance"].clone();
    assert_eq!(sample["metric"]["exported_instance"], instance, "Prometheus keeps `instance` for the target");

    service.signal(Signal::SIGTERM);
    service.ended().expect_code(0);
    scraped("up{job=\"quota\"}", "0");
    prometheus.signal(Signal::SIGTERM);
    prometheus.ended().expect_code(0);
}

/// The answer to an instant query; none while Prometheus starts.
fn samples(api: SocketAddr, query: &str) -> Vec<Value> {
    let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let Ok(answer) = try_get(api, &format!("/api/v1/query?query={escaped}")) else { return Vec::new() };
    // From its beginning to its end, whatever the transfer encoding put around it.
    let start = answer.body.find('{').unwrap_or_default();
    let mut answers = serde_json::Deserializer::from_str(&answer.body[start..]).into_iter::<Value>();
    let Some(Ok(answer)) = answers.next() else { return Vec::new() };
    answer["data"]["result"].as_array().cloned().unwrap_or_default()
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
