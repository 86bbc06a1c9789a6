//! `--check` and a start agree. Whatever a start can refuse before a service runs, `--check` refuses with the same text and
//! the same exit status.

use app_config::ConfigSchema;
use app_config::author::compile;
use app_core::{APP_SERVICE, prelude::ServiceId};
use app_metrics::{METRICS_SERVICE_ID, platform::BUILD_INFO};
use app_pki::{AuthorityOptions, Directory, IssueOptions, Subject, Validity};
use app_rpc::{RpcName, admin::APP_RPC_SERVICE_ID};
use serde_json::json;
use svc_example::{GRANTS, QUOTA, QUOTA_RPC};

use crate::files::Configs;

const IDS: [&str; 4] = ["--domain-id", "0xd0", "--app-id", "0xa0"];

/// Asserts that `--check` and a start end with this status, and that both print all these texts in one line.
#[track_caller]
fn both_refuse(configs: &Configs, args: &[&str], status: i32, parts: &[&str]) {
    let says = |text: &str| parts.iter().all(|part| text.contains(part));
    let checked = configs.service().args(args).args(["--check"]).run();
    checked.expect_code(status);
    assert_eq!(checked.stderr.lines().filter(|line| says(line)).count(), 1, "{parts:?}:\n{}", checked.stderr);
    let started = configs.service().args(args).run();
    started.expect_code(status);
    let errors = started.records().into_iter().filter(|record| record["level"] == "error");
    let told = errors.filter(|record| record["message"].as_str().is_some_and(says));
    assert_eq!(told.count(), 1, "{parts:?}:\n{}", started.stderr);
    assert!(!started.stderr.contains("service starting"), "{}", started.stderr);
}

/// Configs of endpoints on these ports, for the application `d0_a0`.
fn endpoints(configs: Configs, ports: &[(ServiceId, u16)], address: &str) -> Configs {
    let pki = configs.path().join("pki");
    let authority = Directory::init(&pki, &AuthorityOptions::new("test", Validity::days(7)), 7).unwrap();
    ports.iter().fold(configs, |configs, (service, port)| {
        let name = RpcName { domain: 0xd0.into(), app: 0xa0.into(), service: *service };
        let mut wanted = IssueOptions::new(Subject::Server(name));
        wanted.days = None;
        authority.issue(&wanted).unwrap();
        let config = json!({
            "rpcServiceSpec": {
                "domainID": "0xd0", "appId": "0xa0", "serviceId": format!("{service:#x}"), "port": port,
            },
            "serverCert": { "key": format!("@server-{name}.key"), "cert": format!("@server-{name}.pem") },
            "caCert": "@ca.pem",
            "crl": "@crl.pem",
            "bindAddress": address,
        });
        let schema = ConfigSchema::linked().into_iter().find(|schema| schema.service() == *service).unwrap();
        let file = compile(&schema, &config.to_string(), Some(&pki)).unwrap();
        configs.file(*service, &file)
    })
}

#[test]
fn an_endpoint_of_another_application_is_refused() {
    let configs = endpoints(Configs::any_port(), &[(APP_RPC_SERVICE_ID, 40_405)], "127.0.0.1");
    configs.service().args(IDS).args(["--check"]).run().expect_code(0);
    let cure = "start it with --domain-id 0xd0 --app-id 0xa0";
    for args in [&[][..], &["--domain-id", "0xd1", "--app-id", "0xa0"], &["--domain-id", "0xd0"]] {
        both_refuse(&configs, args, 78, &["rpcServiceSpec: is of d0_a0_e49214fa20b35ba8", cure]);
    }
}

#[test]
fn two_services_on_one_port_are_refused() {
    // Any number is fine, because nothing listens on it.
    let port = 40_404;
    let both = [(APP_RPC_SERVICE_ID, port), (QUOTA_RPC, port)];
    let configs = endpoints(Configs::any_port(), &both, "127.0.0.1");
    both_refuse(&configs, &IDS, 78, &["is also where service", "give one of them another port"]);

    let configs = Configs::none().metrics(|mut spec| spec.set_http_port(port));
    let configs = endpoints(configs, &both[..1], "127.0.0.1");
    both_refuse(&configs, &IDS, 78, &["is also where service metrics", "httpPort"]);

    // Two addresses with the same port do not conflict.
    let configs = Configs::none().metrics(|mut spec| {
        spec.set_http_port(port);
        spec.set_bind_address("127.0.0.2");
    });
    let configs = endpoints(configs, &both[..1], "127.0.0.1");
    configs.service().args(IDS).args(["--check"]).run().expect_code(0);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // Addresses for documentation. No machine has them.
    let configs = Configs::none().metrics(|mut spec| spec.set_bind_address("192.0.2.1"));
    both_refuse(&configs, &[], 1, &["192.0.2.1:4444", "does not belong to this machine", "bindAddress"]);
    let configs = endpoints(Configs::any_port(), &[(APP_RPC_SERVICE_ID, 4445)], "192.0.2.1");
    both_refuse(&configs, &IDS, 1, &["192.0.2.1:4445", "does not belong to this machine", "bindAddress"]);
}

#[test]
fn a_busy_port_is_no_problem_of_a_check_which_may_run_beside_the_application() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let configs = Configs::none().metrics(|mut spec| {
        spec.set_http_port(taken.local_addr().unwrap().port());
        spec.set_bind_address("127.0.0.1");
    });
    configs.service().args(["--check"]).run().expect_code(0);
}

#[test]
fn a_declared_metric_that_the_code_has_otherwise_is_refused() {
    for (service, metric) in [(APP_SERVICE, BUILD_INFO), (QUOTA, GRANTS)] {
        let configs = Configs::none().metrics(|mut spec| {
            spec.set_http_port(0);
            let mut counters = spec.init_metric_specs().init_counter_specs(1);
            let mut counter = counters.reborrow().get(0);
            counter.set_service_id(service.as_u64());
            counter.set_metric_id(metric.as_u64());
            counter.set_help("Another one.");
        });
        let name = metric.hex();
        let status = if service.is_zero() { 78 } else { 1 };
        both_refuse(&configs, &[], status, &[if service.is_zero() { "counterSpecs[0]" } else { &name }]);
    }
}

#[test]
fn configs_identities_and_directories_are_refused_alike() {
    let configs = Configs::none().file(METRICS_SERVICE_ID, b"nonsense");
    both_refuse(&configs, &[], 78, &["config 0xe3054017c1b1d214 (metrics)", "zlib"]);
    both_refuse(
        &Configs::any_port(),
        &["--config-identity", "/nosuch"],
        78,
        &["/nosuch, named by --config-identity"],
    );
    both_refuse(&Configs::any_port(), &["--require-sealed"], 78, &["is not sealed"]);
    let missing = Configs::any_port();
    std::fs::remove_dir_all(missing.path()).unwrap();
    both_refuse(&missing, &[], 78, &["it does not exist", "named by --config-dir"]);
}
