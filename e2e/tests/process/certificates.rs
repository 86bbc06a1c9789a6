//! Certificates that expire while the program runs: refusals, warnings, and what operators see.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use app_config::ConfigSchema;
use app_config::author::from_json;

use app_config::codec::marshal;
use app_ids::{AppId, DomainId};
use app_pki::{Authority, AuthorityOptions, ClientName, LeafOptions, Subject, Validity};
use app_rpc::{CERTIFICATE_END, RpcName, admin::APP_RPC_SERVICE_ID};
use nix::sys::signal::Signal;
use svc_example::QUOTA_RPC;

use crate::{
    files::Configs,
    http::get,
    program::{Process, Program, poll},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const IDS: [&str; 4] = ["--domain-id", "0xd0", "--app-id", "0xa0"];

/// An authority, and a config directory with an RPC config that uses its certificates.
struct Pki {
    authority: Authority,
    configs: Configs,
}

impl Pki {
    fn new() -> Self {
        let options = AuthorityOptions::new("an authority", Validity::days(3650));
        Self { authority: Authority::root(&options).unwrap(), configs: Configs::any_port() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.configs.path().join(name)
    }

    /// Writes a certificate and its key for a subject.
    fn issue(&self, name: &str, subject: &Subject, valid: Validity) {
        let issued = self.authority.issue(subject, &LeafOptions::new(valid)).unwrap();
        fs::write(self.path(&format!("{name}.pem")), issued.certificate).unwrap();
        fs::write(self.path(&format!("{name}.key")), &*issued.key).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
        fs::set_permissions(self.path(&format!("{name}.key")), mode).unwrap();
    }

    /// The command that seals an RPC config with a certificate of this validity.
    fn seal(&self, valid: Validity) -> Program {
        let service = QUOTA_RPC;
        let subject =
            Subject::Server(RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service });
        let _ = fs::remove_file(self.path("server.key"));
        self.issue("server", &subject, valid);
        fs::write(self.path("ca.pem"), self.authority.root_pem().unwrap()).unwrap();
        let json = serde_json::json!({
            "rpcServiceSpec": { "domainID": "0xd0", "appId": "0xa0", "serviceId": format!("{service:#x}"), "port": 1 },
            "serverCert": { "key": "@server.key", "cert": "@server.pem" },
            "caCert": "@ca.pem",
            "bindAddress": "127.0.0.1",
        });
        fs::write(self.path("rpc.json"), json.to_string()).unwrap();
        let output = self.configs.path_of(service);
        Program::service()
            .args(["config", "seal", "--service", "quota-rpc", "--plain", "--force", "--output"])
            .args([output, self.path("rpc.json")])
    }

    fn program(&self) -> Program {
        self.configs.service().args(IDS)
    }
}

/// A validity that begins and ends this many days from now.
fn valid(from: i64, until: i64) -> Validity {
    let at = |days: i64| {
        let by = DAY * u32::try_from(days.unsigned_abs()).unwrap();
        if days < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    };
    Validity { not_before: at(from), not_after: at(until) }
}

/// The end of the server's certificate in the metrics, in seconds since 1970.
fn shown_end(process: &Process) -> Option<f64> {
    let metrics = get(process.address(), "/metrics").body;
    let family = format!("{}{{", CERTIFICATE_END.prometheus_name(APP_RPC_SERVICE_ID));
    let mut series =
        metrics.lines().filter(|line| line.starts_with(&family) && line.contains("what=\"server\""));
    series.next()?.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn a_certificate_that_ended_or_has_not_begun_is_not_sealed() {
    let pki = Pki::new();
    for (validity, expected) in [(valid(-30, -1), "expired at "), (valid(1, 30), "is not valid before ")] {
        pki.seal(valid(-1, 30)).run().expect_code(0);
        let good = fs::read(pki.configs.path_of(QUOTA_RPC)).unwrap();
        let refused = pki.seal(validity).run();
        let line = format!("serverCert.cert: block 1 (line 1) {expected}");
        assert!(refused.code() != Some(0) && refused.stderr.contains(&line), "{refused:?}");
        assert_eq!(fs::read(pki.configs.path_of(QUOTA_RPC)).unwrap(), good, "the config stays as it was");
    }
}

#[test]
fn a_certificate_that_ends_soon_is_warned_of_when_it_is_loaded() {
    let pki = Pki::new();
    pki.seal(valid(-1, 100)).run().expect_code(0);
    let process = pki.program().start();
    process.ready();
    let end = poll("the gauge", || shown_end(&process));
    let left = end - SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((99.0..101.0).contains(&(left / 86_400.0)), "{left}");

    // A certificate that ends in a week replaces it, and causes a warning.
    pki.seal(valid(-1, 7)).run().expect_code(0);
    process.signal(Signal::SIGHUP);
    let warning = process.record("the warning", |record| {
        record["level"] == "warn" && record["message"].as_str().is_some_and(|text| text.contains("ends soon"))
    });
    assert_eq!(
        (&warning["what"], &warning["svc_name"]),
        (&"server".into(), &"quota-rpc".into()),
        "{warning}"
    );
    poll("the new end", || shown_end(&process).filter(|now| *now < end));
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn a_config_whose_certificate_ended_after_it_was_sealed_is_refused() {
    let pki = Pki::new();
    // Valid for three more seconds.
    let soon = Validity {
        not_before: SystemTime::now() - DAY,
        not_after: SystemTime::now() + Duration::from_secs(3),
    };
    pki.seal(soon).run().expect_code(0);
    let ended = fs::read(pki.configs.path_of(QUOTA_RPC)).unwrap();
    let said = "serverCert.cert: block 1 (line 1) expired at ";
    let checked = poll("its end", || {
        let checked = pki.program().args(["--check"]).run();
        (checked.code() != Some(0)).then_some(checked)
    });
    checked.expect_code(78);
    assert!(checked.stderr.contains(said), "{}", checked.stderr);
    let started = pki.program().run();
    started.expect_code(78);
    assert!(started.stderr.contains(said), "{}", started.stderr);

    pki.seal(valid(-1, 100)).run().expect_code(0);
    let process = pki.program().start();
    process.ready();
    let end = poll("the gauge", || shown_end(&process));
    fs::write(pki.path("ended"), ended).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(pki.path("ended"), mode).unwrap();
    fs::rename(pki.path("ended"), pki.configs.path_of(QUOTA_RPC)).unwrap();
    process.signal(Signal::SIGHUP);
    let refused = process.record("the refusal", |record| record.to_string().contains(said));
    assert_ne!(refused["level"], "info", "{refused}");
    assert_eq!(shown_end(&process), Some(end), "the old certificate stays in use");
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

/// Writes a config made of this JSON, valid or not.
fn unchecked(json: &str, files: &Path) -> Vec<u8> {
    let schema = ConfigSchema::linked().into_iter().find(|schema| schema.service() == QUOTA_RPC).unwrap();
    let message = from_json(schema.struct_schema().unwrap(), json, Some(files)).unwrap();
    let mut content = Vec::new();
    marshal(&message, &mut content).unwrap();
    content
}

#[test]
fn a_config_that_lets_nobody_in_is_refused_by_every_command_and_a_reload_with_the_same_line() {
    let pki = Pki::new();
    pki.seal(valid(-1, 100)).run().expect_code(0);
    let process = pki.program().start();
    process.ready();
    let twin = Authority::root(&AuthorityOptions::new("an authority", Validity::days(3650))).unwrap();
    let list = |authority: &Authority, valid| authority.crl(&[], 1, valid).unwrap();
    let json = fs::read_to_string(pki.path("rpc.json")).unwrap();
    let json = json.replace("\"caCert\":", "\"crl\":\"@crl.pem\",\"caCert\":");
    fs::write(pki.path("rpc.json"), &json).unwrap();
    for (crl, said) in [
        (
            list(&twin, valid(-1, 30)),
            "crl: block 1 (line 1) names CN=an authority, and is not signed with its key",
        ),
        (list(&pki.authority, valid(-30, -1)), "crl: block 1 (line 1) is stale since "),
    ] {
        fs::write(pki.path("crl.pem"), crl).unwrap();
        let sealed = Program::service()
            .args(["config", "seal", "--service", "quota-rpc", "--plain", "--output"])
            .args([pki.path("never"), pki.path("rpc.json")]);
        let content = unchecked(&json, pki.configs.path());
        let other = Configs::any_port().file(QUOTA_RPC, &content);
        let checked = Program::service().args([Path::new("config"), Path::new("check"), other.path()]);
        let program = || other.service().args(IDS);
        for refused in [sealed, checked, program().args(["--check"]), program()] {
            let refused = refused.run();
            refused.expect_code(78);
            let all = format!("{}{}", refused.stdout, refused.stderr);
            assert!(all.contains(said) && all.contains("and would refuse everybody"), "{refused:?}");
        }
        assert!(!pki.path("never").exists(), "nothing is sealed");
        fs::copy(other.path_of(QUOTA_RPC), pki.path("new")).unwrap();
        fs::rename(pki.path("new"), pki.configs.path_of(QUOTA_RPC)).unwrap();
        process.signal(Signal::SIGHUP);
        process
            .record("the refusal", |record| record["level"] == "error" && record.to_string().contains(said));
        poll("the note", || get(process.address(), "/readyz").body.contains(said).then_some(()));
    }
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

/// Writes a context for `acquire` and `appctl`.
fn context(pki: &Pki, address: &str) -> PathBuf {
    let client = Subject::Client(ClientName::new("client.test").unwrap());
    pki.issue("client", &client, valid(-1, 30));
    let context = serde_json::json!({ "contexts": { "quota": {
        "address": address, "domain": "0xd0", "app": "0xa0", "service": format!("{QUOTA_RPC:#x}"),
        "ca": "ca.pem", "cert": "client.pem", "key": "client.key",
    } }, "current": "quota" });
    let path = pki.path("contexts.json");
    fs::write(&path, context.to_string()).unwrap();
    path
}

#[test]
fn commands_that_ask_once_leave_no_handshake_half_done() {
    let pki = Pki::new();
    pki.seal(valid(-1, 100)).run().expect_code(0);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let json =
        fs::read_to_string(pki.path("rpc.json")).unwrap().replace("\"port\":1", &format!("\"port\":{port}"));
    fs::write(pki.path("rpc.json"), json).unwrap();
    let sealed = Program::service()
        .args(["config", "seal", "--service", "quota-rpc", "--plain", "--force", "--output"])
        .args([pki.configs.path_of(QUOTA_RPC), pki.path("rpc.json")])
        .run();
    sealed.expect_code(0);
    let process = pki.program().args(["--log-level", "DEBUG"]).start();
    process.ready();
    let context = context(&pki, &format!("127.0.0.1:{port}"));
    let commands = 20;
    for key in 0..commands {
        let asked = Program::service()
            .args([Path::new("acquire"), Path::new("--context"), &context])
            .args([format!("key-{key}")])
            .run();
        asked.expect_code(0);
    }
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    let records = ended.records();
    let count = |text: &str| {
        records
            .iter()
            .filter(|record| record["message"].as_str().is_some_and(|said| said.contains(text)))
            .count()
    };
    assert_eq!(
        (count("RPC connection established"), count("RPC handshake ended by the peer")),
        (commands, 0)
    );
    let warned: Vec<_> = records.iter().filter(|record| record["level"] == "warn").collect();
    assert!(!warned.iter().any(|record| record.to_string().contains("RPC")), "{warned:?}");
}
