//! Endpoints on free ports, examples of configs that work, and an application that calls without the server in it.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use app_metrics::MetricDoc;
use app_pki::{AuthorityOptions, ClientName, Directory, IssueOptions, Subject, Validity};
use app_rpc::{RpcName, admin::APP_RPC_SERVICE_ID};
use nix::sys::signal::Signal;
use quota_client::{QUOTA_CLIENT, QUOTA_RPC};
use serde_json::{Value, json};

use crate::{files::Configs, http, program::Program};

const ORDERS: &str = env!("CARGO_BIN_EXE_orders");
pub(crate) const IDS: [&str; 4] = ["--domain-id", "0xd0", "--app-id", "0xa0"];

/// An authority, with certificates for both endpoints of the example, its client and an operator.
pub(crate) struct Pki(tempfile::TempDir);

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = folder.path().join("pki");
        let authority = Directory::init(&pki, &AuthorityOptions::new("test", Validity::days(9)), 9).unwrap();
        let name = |service| RpcName { domain: 0xd0_u64.into(), app: 0xa0_u64.into(), service };
        let client = |name: &str| Subject::Client(ClientName::new(name).unwrap());
        let subjects = [
            Subject::Server(name(QUOTA_RPC)),
            Subject::Server(name(APP_RPC_SERVICE_ID)),
            client("quota-client"),
            client("ops.example.com"),
        ];
        for subject in subjects {
            let mut options = IssueOptions::new(subject);
            options.days = None;
            authority.issue(&options).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path().join("pki")
    }

    /// The example that the program prints for a service of an application with the ids of the test.
    pub(crate) fn example(&self, program: &str, service: &str) -> Value {
        let explained = Program::new(program).args(IDS).args(["config", "explain", service, "--json"]).run();
        explained.expect_code(0);
        serde_json::from_str(&explained.stdout).unwrap()
    }

    /// What `appctl` prints about the application whose admin interface is at this address.
    #[track_caller]
    pub(crate) fn appctl(&self, admin: SocketAddr, args: &[&str]) -> String {
        let context = json!({ "current": "test", "contexts": { "test": {
            "address": admin.to_string(), "domain": "0xd0", "app": "0xa0", "ca": "ca.pem", "crl": "crl.pem",
            "cert": "client-ops.example.com.pem", "key": "client-ops.example.com.key",
        } } });
        let contexts = self.folder().join("contexts.json");
        fs::write(&contexts, context.to_string()).unwrap();
        let ended = Program::new(e2e::appctl()).args(args).args([Path::new("--context"), &contexts]).run();
        ended.expect_code(0);
        ended.stdout
    }

    /// Seals a config into the directory. Its `@` files are those of the authority.
    pub(crate) fn seal(&self, program: &str, service: &str, config: &Value, output: &Path) {
        let json = self.folder().join(format!("{service}.json"));
        fs::write(&json, config.to_string()).unwrap();
        let sealed = Program::new(program)
            .args(["config", "seal", "--plain", "--force", "--service", service, "--output"])
            .args([output, &json])
            .run();
        assert_eq!(sealed.code(), Some(0), "{service}: {config:#}\n{}", sealed.stderr);
    }
}

/// Whether something accepts connections there.
fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

/// The server's own program shows no metrics of clients, so the tests of its page leave them out.
fn each_metric_of_a_client_is_shown(scrape: &str) {
    let docs = MetricDoc::linked();
    let of_clients: Vec<_> = docs.iter().filter(|doc| doc.name().starts_with("rpc_client_")).collect();
    assert!(!of_clients.is_empty());
    for doc in of_clients {
        let name = doc.prometheus_name();
        let help = format!("# HELP {name} {}: {}\n", doc.readable_name().unwrap(), doc.help());
        assert!(scrape.contains(&help), "no {help}in {scrape}");
        let of_metric = |line: &&str| !line.starts_with('#') && line.starts_with(&name);
        let sample = scrape.lines().find(of_metric).unwrap_or_else(|| panic!("{} has no sample", doc.name()));
        for label in doc.labels() {
            assert!(sample.contains(&format!("{label}=\"")), "{sample} has no {label}");
        }
    }
}

#[test]
fn the_examples_of_an_endpoint_and_of_a_client_work_as_they_are_printed() {
    let pki = Pki::new();
    let (server, caller) = (Configs::any_port(), Configs::any_port());
    let mut ports = Vec::new();
    for (name, id) in [("quota-rpc", QUOTA_RPC), ("rpc", APP_RPC_SERVICE_ID)] {
        let mut example = pki.example(e2e::svc_example(), name);
        let spec = &mut example["rpcServiceSpec"];
        assert_eq!(
            (&spec["domainID"], &spec["appId"], &spec["serviceId"]),
            (&json!("0xd0"), &json!("0xa0"), &json!(format!("{id:#x}")))
        );
        assert_eq!(example["serverCert"]["key"], format!("@server-d0_a0_{id}.key"));
        // As it is, it is accepted. Then a free port, because other tests run at the same time.
        pki.seal(e2e::svc_example(), name, &example, &server.path_of(id));
        ports.push(example["rpcServiceSpec"]["port"].clone());
        example["rpcServiceSpec"]["port"] = json!(0);
        pki.seal(e2e::svc_example(), name, &example, &server.path_of(id));
    }
    assert_ne!(ports[0], ports[1], "both endpoints listen in one application");
    let checked = Program::service().args(["config", "check"]).args([server.path()]).run();
    checked.expect_code(0);
    let process = server.service().args(IDS).start();
    process.started();
    let address = process.address_of(QUOTA_RPC);
    assert!(accepts(address) && accepts(process.address_of(APP_RPC_SERVICE_ID)));

    let mut example = pki.example(ORDERS, "quota-client");
    assert_eq!(example["rpcServiceSpec"]["serviceId"], format!("{QUOTA_RPC:#x}"));
    assert_eq!(example["clientCert"]["cert"], "@client-quota-client.pem");
    assert_eq!(example["rpcServiceSpec"]["port"], ports[0], "that of the example of the endpoint");
    assert_eq!(example["addresses"], json!([format!("127.0.0.1:{}", ports[0])]));
    pki.seal(ORDERS, "quota-client", &example, &caller.path_of(QUOTA_CLIENT));
    example["addresses"] = json!([address.to_string()]);
    pki.seal(ORDERS, "quota-client", &example, &caller.path_of(QUOTA_CLIENT));
    let orders = Program::new(ORDERS).args([Path::new("--config-dir"), caller.path()]).start();
    orders.record("an order", |record| record["granted"] == true);
    each_metric_of_a_client_is_shown(&http::get(orders.address(), "/metrics").body);

    // The server goes away and comes back on another port. The new config reaches the client while it runs.
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    orders.record("no order", |record| {
        record["message"].as_str().is_some_and(|message| message.starts_with("no order was placed: "))
    });
    let process = server.service().args(IDS).start();
    let next = process.address_of(QUOTA_RPC);
    example["addresses"] = json!([next.to_string()]);
    pki.seal(ORDERS, "quota-client", &example, &caller.path_of(QUOTA_CLIENT));
    orders.signal(Signal::SIGHUP);
    let before = orders.records("orders", 1, |record| record["granted"] == true).len();
    orders.records("further orders", before + 2, |record| record["granted"] == true);
    orders.signal(Signal::SIGTERM);
    orders.ended().expect_code(0);
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn the_status_has_the_address_of_an_endpoint_on_a_free_port() {
    let pki = Pki::new();
    let server = Configs::any_port();
    for (name, id) in [("quota-rpc", QUOTA_RPC), ("rpc", APP_RPC_SERVICE_ID)] {
        let mut example = pki.example(e2e::svc_example(), name);
        example["rpcServiceSpec"]["port"] = json!(0);
        pki.seal(e2e::svc_example(), name, &example, &server.path_of(id));
    }
    let process = server.service().args(IDS).start();
    process.started();
    let (admin, quota) = (process.address_of(APP_RPC_SERVICE_ID), process.address_of(QUOTA_RPC));
    let status = |more: &[&str]| pki.appctl(admin, &[&["status"], more].concat());
    let shown = status(&[]);
    assert!(shown.contains(&format!("quota-rpc at {quota}")), "{shown}");
    assert!(shown.contains(&format!("rpc at {admin}")), "{shown}");
    let json: Value = serde_json::from_str(&status(&["--json"])).unwrap();
    let endpoints = json["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 2, "{json:#}");
    let quota_rpc = endpoints.iter().find(|endpoint| endpoint["name"] == "quota-rpc").unwrap();
    assert_eq!(
        *quota_rpc,
        json!({ "id": format!("{QUOTA_RPC:#x}"), "name": "quota-rpc", "address": quota.to_string() })
    );
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

/// The packages that a package links.
fn linked(package: &str) -> Vec<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["tree", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{lib}"]);
    cargo.args(["--offline", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let listed = cargo.output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

#[test]
fn who_calls_does_not_link_the_server() {
    for caller in ["quota-client", "e2e"] {
        let linked = linked(caller);
        let has = |library: &str| linked.iter().any(|name| name == library);
        assert!(has("app_rpc") && has("quota_schema") && has("quota_client"), "{caller}: {linked:?}");
        assert!(!has("svc_example"), "{caller} links the server");
        assert!(!has("app_pki"), "{caller} could make certificates");
    }
    assert!(!linked("svc-example").iter().any(|name| name == "quota_client"), "nor the server its client");
    // The program knows the client's config, and no config of the server.
    let services = Program::new(ORDERS).args(["config", "explain"]).run();
    services.expect_code(0);
    assert!(services.stdout.contains("quota-client (e73a51d60c982fb4): "), "{}", services.stdout);
    assert!(!services.stdout.contains("quota-rpc"), "{}", services.stdout);
}
