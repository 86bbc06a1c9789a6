//! The examples in `deploy/` match the program: paths, ports, flags, files, times and exit statuses.

use std::{
    collections::BTreeSet, fs, io::Write, os::unix::fs::PermissionsExt, path::Path, process::Command,
    time::Duration,
};

use app_config::compat::service_config_id;
use app_core::{ExitStatus, Flags, clap::Args, limits::DEFAULT_APP_STOP_TIMEOUT};
use app_health::{LIVEZ_PATH, READYZ_PATH, STARTUP_PATH};
use app_metrics::{DEFAULT_METRICS_HTTP_PORT, METRICS_SERVICE_ID};
use nix::sys::signal::Signal;
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};
use svc_example::QUOTA;

use crate::{
    files::{Configs, rules_content},
    http::get,
    program::{Ended, Program},
};

const UNIT: &str = include_str!("../../../svc-example/deploy/systemd/svc-example.service");
const KUBERNETES: &str = include_str!("../../../svc-example/deploy/kubernetes/quota.yaml");
const STACK: &str = include_str!("../../../svc-example/deploy/swarm/stack.yaml");
const DOCKERFILE: &str = include_str!("../../../svc-example/deploy/docker/Dockerfile");

/// Path of the program in all examples.
pub(crate) const PROGRAM: &str = "/usr/local/bin/svc-example";
/// Number of the image's user.
pub(crate) const USER: u64 = 65532;
/// Time that an orchestrator has to allow beyond the deadlines of the app. The process takes less (`EXIT_MARGIN` in app-core).
const PAST_ALL: Duration = Duration::from_secs(10);

/// The YAML documents of a file.
fn documents(text: &str) -> Vec<Value> {
    Yaml::load_from_str(text).unwrap().iter().map(plain).collect()
}

fn plain(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(members) => {
            let member =
                |(key, value): (&Yaml<'_>, &Yaml<'_>)| (key.as_str().unwrap().to_owned(), plain(value));
            Value::Object(members.iter().map(member).collect())
        }
        other => panic!("not expected here: {other:?}"),
    }
}

fn of_kind(kind: &str) -> Value {
    documents(KUBERNETES).into_iter().find(|document| document["kind"] == kind).unwrap()
}

fn pod() -> Value {
    of_kind("Deployment")["spec"]["template"].clone()
}

fn container() -> Value {
    pod()["spec"]["containers"][0].clone()
}

fn quota_of_the_stack() -> Value {
    documents(STACK)[0]["services"]["quota"].clone()
}

/// The values of a setting in the unit.
fn of_unit<'a>(name: &str) -> Vec<&'a str> {
    UNIT.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

fn time(text: impl AsRef<str>) -> Duration {
    humantime::parse_duration(text.as_ref()).unwrap()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The words of an instruction of the Dockerfile in exec form.
pub(crate) fn exec_form(instruction: &str) -> Vec<String> {
    let joined = DOCKERFILE.replace("\\\n", " ");
    let line = joined.lines().find(|line| line.starts_with(instruction)).unwrap();
    texts(&serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap())
}

/// The command lines of the examples that start the service.
fn command_lines() -> [Vec<String>; 3] {
    let unit = of_unit("ExecStart")[0].split(' ').map(str::to_owned).collect();
    let with_program = |args| [vec![PROGRAM.to_owned()], texts(args)].concat();
    [unit, with_program(&container()["args"]), with_program(&quota_of_the_stack()["command"])]
}

/// The program with such a command line, and a config directory of the test.
fn checked(line: &[String], dir: &Path) -> Ended {
    assert_eq!(line[0], PROGRAM);
    let args = line[1..].iter().map(|arg| arg.replace("%d", dir.to_str().unwrap()));
    Program::service().args(args).args(["--check"]).run()
}

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let dir = tempfile::tempdir().unwrap();
    for line in command_lines() {
        checked(&line, dir.path()).expect_code(0);
        assert!(line.iter().any(|arg| arg.starts_with("--drain-delay=")), "{line:?}");
    }
    assert!(DOCKERFILE.contains(&format!("/usr/local/bin/svc-example {PROGRAM}\n")));
    assert_eq!(exec_form("ENTRYPOINT"), [PROGRAM]);

    let flags = Flags::augment_args(app_core::clap::Command::new("flags"));
    let known: Vec<_> = flags.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
    let kubernetes = container()["env"].as_array().unwrap().clone();
    let names = kubernetes.iter().map(|variable| variable["name"].as_str().unwrap().to_owned());
    let stack = quota_of_the_stack()["environment"].as_object().unwrap().clone();
    for name in names.chain(stack.keys().cloned()) {
        assert!(known.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn kubernetes_asks_the_probes_there_are_on_the_port_they_are_on() {
    let (pod, container) = (pod(), container());
    for (probe, path) in
        [("startupProbe", STARTUP_PATH), ("livenessProbe", LIVEZ_PATH), ("readinessProbe", READYZ_PATH)]
    {
        let asked = &container[probe]["httpGet"];
        assert_eq!((&asked["path"], &asked["port"]), (&json!(path), &json!("http-ops")), "{probe}");
    }
    let port = json!({ "name": "http-ops", "containerPort": DEFAULT_METRICS_HTTP_PORT });
    assert_eq!(container["ports"], json!([port]));
    let service = of_kind("Service")["spec"].clone();
    assert_eq!(
        service["ports"],
        json!([{ "name": "http-ops", "port": DEFAULT_METRICS_HTTP_PORT, "targetPort": "http-ops" }])
    );
    let scraped = &pod["metadata"]["annotations"];
    assert_eq!(scraped["prometheus.io/port"], DEFAULT_METRICS_HTTP_PORT.to_string());
    assert!(DOCKERFILE.contains(&format!("\nEXPOSE {DEFAULT_METRICS_HTTP_PORT}\n")));

    let labels = &pod["metadata"]["labels"];
    for selector in [
        &of_kind("Deployment")["spec"]["selector"]["matchLabels"],
        &service["selector"],
        &of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }

    let configs = Configs::any_port();
    let process = configs.service().start();
    let address = process.ready();
    let metrics = scraped["prometheus.io/path"].as_str().unwrap();
    for path in [metrics, STARTUP_PATH, LIVEZ_PATH, READYZ_PATH] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
}

#[test]
fn the_health_check_of_containers_says_yes_for_a_service_that_runs_and_no_for_none() {
    let asks = texts(&quota_of_the_stack()["healthcheck"]["test"]);
    assert_eq!(asks[..2], ["CMD", PROGRAM]);
    assert_eq!(exec_form("HEALTHCHECK"), asks[1..], "the image and the stack ask the same");
    let configs = Configs::any_port();
    let process = configs.service().start();
    let address = process.ready().to_string();
    let ask = || Program::service().args(&asks[2..]).env("OP_HEALTH_ADDRESS", &address).run();
    let yes = ask();
    yes.expect_code(0);
    assert_eq!(yes.stdout, "started\nalive\n");
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    let no = ask();
    no.expect_code(1);
    assert!(no.stdout.starts_with(&format!("{address} does not answer: ")), "{}", no.stdout);
}

#[test]
fn each_waits_for_the_end_longer_than_the_program_takes() {
    let [unit, kubernetes, stack] = command_lines();
    let grace = pod()["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    for (line, given) in [
        (unit, time(of_unit("TimeoutStopSec")[0])),
        (kubernetes, Duration::from_secs(grace)),
        (stack, time(quota_of_the_stack()["stop_grace_period"].as_str().unwrap())),
    ] {
        let drain = line.iter().find_map(|arg| arg.strip_prefix("--drain-delay=")).map(time).unwrap();
        let taken = drain + DEFAULT_APP_STOP_TIMEOUT + PAST_ALL;
        assert!(given > taken, "{line:?}: {given:?}, and it takes up to {taken:?}");
    }
    for signal in [of_unit("KillSignal")[0], quota_of_the_stack()["stop_signal"].as_str().unwrap()] {
        assert_eq!(signal, Signal::SIGTERM.as_str());
    }
    assert!(DOCKERFILE.contains("\nSTOPSIGNAL SIGTERM\n"));
    assert_eq!(of_unit("Type"), ["notify"]);
    assert!(
        time(of_unit("WatchdogSec")[0]) >= Duration::from_secs(10),
        "a moment of load is no reason to kill"
    );
}

#[test]
fn systemd_does_not_start_it_again_for_what_is_not_better_the_next_time() {
    let hopeless = [ExitStatus::Usage, ExitStatus::Config].map(|status| status.code().to_string());
    assert_eq!(of_unit("RestartPreventExitStatus"), [hopeless.join(" ")]);
    assert_eq!(of_unit("Restart"), ["on-failure"]);
}

/// A port that is in use for minutes, or a network that comes up late, needs nothing but time.
#[test]
fn no_orchestrator_gives_up_on_what_time_mends() {
    assert_eq!(of_unit("StartLimitIntervalSec"), ["0"], "systemd starts it for as long as it takes");
    assert!(time(of_unit("RestartSec")[0]) >= Duration::from_secs(1), "without a limit it must not spin");
    let policy = &quota_of_the_stack()["deploy"]["restart_policy"];
    assert_eq!((&policy["condition"], &policy["max_attempts"]), (&json!("any"), &Value::Null), "{policy}");
    assert!(time(policy["delay"].as_str().unwrap()) >= Duration::from_secs(1));
    // With its default policy, Kubernetes tries again without end, with a backoff of up to 5 min.
    assert_eq!(pod()["spec"]["restartPolicy"], Value::Null);
}

#[test]
fn every_config_is_one_of_a_service_and_nobody_but_the_user_reads_it() {
    let known = [QUOTA, METRICS_SERVICE_ID].map(service_config_id);
    for text in [UNIT, KUBERNETES, STACK] {
        let ids: BTreeSet<_> = text
            .match_indices("0x")
            .map(|(at, _)| text[at..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap())
            .filter(|id| id.len() > 6)
            .collect();
        assert!(!ids.is_empty() && ids.iter().all(|id| known.iter().any(|known| known == id)), "{ids:?}");
    }
    let stack = quota_of_the_stack();
    let secret = &stack["secrets"][0];
    assert_eq!(secret["target"], known[0]);
    let secrets = &documents(STACK)[0]["secrets"];
    assert!(secrets[secret["source"].as_str().unwrap()].is_object());
    // As text in the file, because YAML 1.1 reads these numbers as octal.
    let volume = &pod()["spec"]["volumes"][0];
    assert_eq!((&secret["mode"], &volume["secret"]["defaultMode"]), (&json!(400), &json!(400)));
    let mount = &container()["volumeMounts"][0];
    assert_eq!((&mount["name"], &mount["readOnly"]), (&volume["name"], &json!(true)));
    assert_eq!(mount["mountPath"], Flags::default().config_dir.to_str().unwrap());

    let user = USER.to_string();
    assert_eq!((secret["uid"].as_str(), secret["gid"].as_str()), (Some(&*user), Some(&*user)));
    assert_eq!(stack["user"], format!("{USER}:{USER}"));
    assert!(DOCKERFILE.contains(&format!("\nUSER {USER}:{USER}\n")));
    let security = &pod()["spec"]["securityContext"];
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        assert_eq!(security[field], USER, "{field}");
    }
}

/// The way systemd makes a credentials directory: no user can write to it.
#[test]
fn configs_are_read_from_a_directory_that_is_all_read_only() {
    let configs =
        Configs::any_port().file(QUOTA, &rules_content(&[("mail", |mut rule| rule.set_permits(1))]));
    for file in [configs.path_of(QUOTA), configs.path_of(METRICS_SERVICE_ID)] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o440)).unwrap();
    }
    fs::set_permissions(configs.path(), fs::Permissions::from_mode(0o550)).unwrap();
    let process = configs.service().start();
    let rules = process.record("the rules", |record| record["message"] == "rules in effect");
    assert_eq!(rules["from_file"], true);
    process.ready();
    // So that the test can remove the directory.
    fs::set_permissions(configs.path(), fs::Permissions::from_mode(0o750)).unwrap();
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let there =
        Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        // Skipped even with REQUIRE_TOOLS, because the package is a whole operating system.
        let _ = writeln!(std::io::stderr(), "SKIPPED: systemd-analyze does not work (install systemd)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("svc-example.service");
    fs::write(&unit, UNIT.replace(PROGRAM, e2e::svc_example())).unwrap();
    let verified = Program::new("systemd-analyze").args(["verify", "--man=no"]).args([&unit]).run();
    verified.expect_code(0);
    assert_eq!(verified.stdout + &verified.stderr, "", "not a word");
}
