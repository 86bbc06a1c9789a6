//! The unit in `deploy/` under a real systemd: started unchanged, and under the usual failures of units.
//!
//! Each test has its own unit, so that tests can run in parallel in one machine.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use app_config::compat::service_config_id;
use app_core::events::APP_STARTED;
use app_metrics::METRICS_SERVICE_ID;
use svc_example::QUOTA;

use crate::{
    files::{Configs, rules_content},
    machine::{Machine, Unit, machine},
    program::{Program, pass, poll},
};

const SOCKET: &str = include_str!("../../../svc-example/deploy/systemd/svc-example.socket");
const UNIT: &str = include_str!("../../../svc-example/deploy/systemd/svc-example.service");
const PAGE: &str = include_str!("../../../docs/OPERATING.md");
/// Path of the unit in the repository, as the header of the unit names it.
const UNIT_IN_REPOSITORY: &str = "svc-example/deploy/systemd/svc-example.service";
/// Settings without a drain and with quick restarts, for tests that are not about these.
const QUICK: &str =
    "RestartSec=300ms\nExecStart=\nExecStart=/usr/local/bin/svc-example --config-dir=%d --log-format=json";

/// The commands in the header of the unit.
fn header() -> Vec<&'static str> {
    UNIT.lines()
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("#   "))
        .collect()
}

/// The commands in the page's section about systemd.
fn commands_of_the_page() -> Vec<&'static str> {
    let section = PAGE.split("\n## systemd\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    block.lines().map(|line| line.split(" #").next().unwrap().trim()).collect()
}

/// A folder with configs, and the settings that load them as credentials.
struct Loaded {
    outside: PathBuf,
    /// The folder in the machine.
    inside: String,
    settings: String,
}

impl Loaded {
    /// A folder with a config that makes the program listen on a free port.
    fn of(machine: &Machine, test: &str) -> Self {
        let (outside, inside) = machine.folder_of(&format!("configs-of-{test}"));
        let (configs, id) = (Configs::any_port(), service_config_id(METRICS_SERVICE_ID));
        fs::copy(configs.path_of(METRICS_SERVICE_ID), outside.join(&id)).unwrap();
        Self { outside, inside, settings: String::new() }.with(&id)
    }

    /// Adds a file to the folder.
    fn with(mut self, name: &str) -> Self {
        self.settings += &format!("LoadCredential={name}:{}/{name}\n", self.inside);
        self
    }
}

/// A unit with a free port that restarts at once.
fn quick_unit<'a>(machine: &'a Machine, name: &str, settings: &str) -> Unit<'a> {
    let loaded = Loaded::of(machine, name);
    machine.install(name, UNIT, &format!("{QUICK}\n{}{settings}", loaded.settings))
}

#[test]
fn the_unit_starts_as_it_is_shipped_and_the_page_s_commands_do_what_they_say() {
    let Some(machine) = machine() else { return };
    let (folder, inside) = machine.folder_of("as-shipped");
    fs::write(folder.join("svc-example.service"), UNIT).unwrap();
    // Leaves out the installation of the program: it is there, and /usr is read-only.
    let commands: Vec<_> = header().into_iter().filter(|line| !line.contains("target/release")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    let reloads = machine.reloads();
    for command in commands {
        machine.run(&command.replace(UNIT_IN_REPOSITORY, &format!("{inside}/svc-example.service")));
    }
    drop(reloads);
    let unit = machine.unit("svc-example");
    assert_eq!(unit.show("ActiveState"), "active");
    let status_text = unit.show("StatusText");
    assert!(status_text.ends_with(" services, ready"), "{status_text}");
    assert_eq!(machine.run("svc-example health ready"), "ready\n");

    let [status, reload, journal, warnings] = commands_of_the_page()[..] else {
        panic!("{:?}", commands_of_the_page())
    };
    let shown = machine.run(&format!("SYSTEMD_PAGER= {status}"));
    assert!(
        shown.contains("Active: active (running)") && shown.contains(&format!("Status: \"{status_text}\"")),
        "{shown}"
    );
    machine.run(reload);
    poll("configs that were read again", || {
        machine.run(&format!("SYSTEMD_PAGER= {journal}")).contains("configs were read again").then_some(())
    });

    // The journal reads the priority in front of each line and removes it.
    let warned = machine.run(&format!("SYSTEMD_PAGER= {warnings} -o cat"));
    assert!(!warned.contains("\"level\":\"info\"") && !warned.contains('<'), "{warned}");

    let begun = Instant::now();
    unit.does("stop");
    assert!(begun.elapsed() >= Duration::from_secs(5), "it drains: {:?}", begun.elapsed());
    assert_eq!((unit.show("ActiveState"), unit.show("Result")), ("inactive".into(), "success".into()));
    assert_eq!((unit.show("ExecMainStatus"), unit.restarts()), ("0".into(), 0));
    let log = unit.log();
    assert!(log.contains("app stopped: signal SIGTERM"), "{log}");
    assert!(!log.contains("\"level\":\"error\""), "{log}");
}

#[test]
fn credentials_are_read_sealed_ones_too_and_a_bad_one_is_not_tried_again() {
    let Some(machine) = machine() else { return };
    let name = "with-credentials";
    let loaded = Loaded::of(machine, name);
    let quota = service_config_id(QUOTA);
    let identity = loaded.outside.join("config.identity");
    let config = |args: &[&str]| Program::service().args(["config"]).args(args).run();
    config(&["keygen", "--output", identity.to_str().unwrap()]).expect_code(0);
    let json = loaded.outside.join("quota.json");
    fs::write(&json, r#"{"rules": [{"name": "mail", "permits": 1, "periodMillis": 1000}]}"#).unwrap();
    let sealed = loaded.outside.join(&quota);
    let sealed_text = sealed.to_str().unwrap();
    let (json, key) = (json.to_str().unwrap(), identity.to_str().unwrap());
    config(&["seal", "--service", "quota", "--identity", key, "--output", sealed_text, json]).expect_code(0);
    let loaded = loaded.with(&quota).with("config.identity");
    let unit = machine.install(name, UNIT, &format!("{QUICK}\n{}", loaded.settings));
    unit.does("start");
    let log = unit.log();
    let rules = log.lines().find(|line| line.contains("rules in effect")).unwrap();
    assert!(rules.contains("\"from_file\":true"), "{rules}");
    assert!(!log.contains("\"level\":\"warn\""), "nobody can cure what it warns of: {log}");

    fs::write(&sealed, rules_content(&[("mail", |mut rule| rule.set_permits(1))]).split_off(3)).unwrap();
    let ended = unit.systemctl("restart");
    assert_ne!(ended.code(), Some(0), "{ended:?}");
    // The unit is not in `activating (auto-restart)`. It stays failed until an operator acts.
    assert_eq!((unit.show("ActiveState"), unit.show("SubState")), ("failed".into(), "failed".into()));
    assert_eq!((unit.show("ExecMainStatus"), unit.restarts()), ("78".into(), 0));
    assert!(unit.log().contains(&quota), "the file is named");
}

#[test]
fn a_unit_without_any_credential_says_in_one_line_what_it_lacks() {
    let Some(machine) = machine() else { return };
    let unit = UNIT.replace("\nSetCredential=", "\n# SetCredential=");
    let unit = machine.install("without-credentials", &unit, QUICK);
    assert_ne!(unit.systemctl("start").code(), Some(0));
    assert_eq!((unit.show("SubState"), unit.show("ExecMainStatus")), ("failed".into(), "78".into()));
    let log = unit.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("\"level\":\"error\"")).collect();
    assert!(errors.len() == 1 && errors[0].contains("LoadCredential="), "{log}");
}

#[test]
fn a_port_that_is_busy_for_a_while_is_waited_for() {
    let Some(machine) = machine() else { return };
    let name = "with-a-busy-port";
    let loaded = Loaded::of(machine, name);
    let configs = Configs::none().metrics(|mut spec| {
        // Below the range that the kernel assigns from. The machine has no other network.
        spec.set_http_port(7_999);
        spec.set_bind_address("127.0.0.1");
    });
    let file = service_config_id(METRICS_SERVICE_ID);
    fs::copy(configs.path_of(METRICS_SERVICE_ID), loaded.outside.join(&file)).unwrap();
    machine
        .run(&format!("systemd-run --quiet --unit=port-holder svc-example --config-dir {}", loaded.inside));
    let holder = machine.unit("port-holder");
    poll("a port that is taken", || holder.log().contains(&APP_STARTED.hex()).then_some(()));
    // Unchanged except for the port.
    let unit = machine.install(name, UNIT, &loaded.settings);
    let busy = Instant::now();
    unit.does("start --no-block");
    pass(Duration::from_secs(15).saturating_sub(busy.elapsed()));
    assert_ne!(unit.show("ActiveState"), "failed", "{}", unit.log());
    holder.does("stop");
    unit.becomes("ActiveState", "active");
    assert!(unit.restarts() >= 2, "{}", unit.log());
    assert!(unit.log().contains("7999"), "the port is named");
}

#[test]
fn a_process_that_is_killed_or_stands_still_is_started_again() {
    let Some(machine) = machine() else { return };
    let unit = quick_unit(machine, "that-dies", "WatchdogSec=4s");
    unit.does("start");
    let first = unit.show("MainPID");
    unit.does("kill --kill-who=main --signal=KILL");
    let second = poll("another process", || {
        let pid = unit.show("MainPID");
        (pid != "0" && pid != first && unit.show("ActiveState") == "active").then_some(pid)
    });
    let restarts = unit.restarts();
    unit.does("kill --kill-who=main --signal=STOP");
    poll("a process that the watchdog asked for", || {
        let pid = unit.show("MainPID");
        (pid != "0" && pid != second && unit.show("ActiveState") == "active").then_some(())
    });
    assert!(unit.restarts() > restarts);
    assert!(unit.log().contains("Watchdog timeout"), "{}", unit.log());
    unit.does("stop");
    assert_eq!(unit.show("ActiveState"), "inactive");
}

#[test]
fn a_kill_with_a_long_drain_delay_outlives_the_stop_timeout_and_is_not_started_again() {
    let Some(machine) = machine() else { return };
    // The keys of `--dev` belong to the user that runs the service. The same user runs `appctl` below.
    let settings = "DynamicUser=no\nRuntimeDirectory=keys\nEnvironment=TMPDIR=/run/keys\nTimeoutStopSec=2s\nRestartSec=300ms\nExecStart=\n\
        ExecStart=/usr/local/bin/svc-example --dev=0 --log-format=json";
    let unit = machine.install("that-is-killed-slowly", UNIT, settings);
    unit.does("start");
    let export = poll("what --dev prints", || {
        unit.log().lines().find(|line| line.contains("OP_CONTEXT=")).map(str::to_owned)
    });
    let kill = "appctl kill --context \"$OP_CONTEXT#admin\" --yes --drain-delay 6s --reason 'it moves'";
    let _reloads = machine.reloads();
    let begun = Instant::now();
    machine.run(&format!("{export}\n{kill}"));
    unit.becomes("ActiveState", "inactive");
    assert!(begun.elapsed() >= Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!((unit.show("Result"), unit.show("ExecMainStatus")), ("success".into(), "0".into()));
    assert_eq!(unit.restarts(), 0, "{}", unit.log());
}

/// Restarts the unit a few times while a client in the machine asks all the time. Returns what the client printed: how many answers it
/// got, and its longest wait. It fails at the first request that is refused or lost.
fn restarts_under_load(machine: &Machine, unit: &Unit<'_>, name: &str, port: u16) -> String {
    let folder = format!("/tmp/client-of-{name}");
    let client = format!(
        r#"mkdir {folder}; n=0; worst=0
while [ ! -e {folder}/enough ]; do
  begun=$(date +%s%N); : > {folder}/began
  svc-example health live --address 127.0.0.1:{port} --timeout 30s > {folder}/answer || {{ cat {folder}/answer; exit 1; }}
  took=$((($(date +%s%N) - begun) / 1000000)); [ $took -le $worst ] || worst=$took; n=$((n + 1))
done; echo "$n answers, the longest wait $worst ms""#
    );
    let client = machine.shell(&client).start();
    poll("the first request", || {
        (machine.shell(&format!("test -e {folder}/began")).run().code() == Some(0)).then_some(())
    });
    for _ in 0..5 {
        unit.does("restart");
    }
    machine.run(&format!("touch {folder}/enough"));
    let ended = client.ended();
    assert_eq!(ended.code(), Some(0), "{}{}\n{}", ended.stdout, ended.stderr, unit.log());
    ended.stdout
}

#[test]
fn a_socket_unit_starts_the_program_and_no_client_notices_a_restart() {
    let Some(machine) = machine() else { return };
    let name = "with-a-socket";
    // Below the range that the kernel assigns from. The machine has no other network.
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 7_998));
    let loaded = Loaded::of(machine, name);
    let unit = machine.install(name, UNIT, &format!("{QUICK}\n{}", loaded.settings));
    let (folder, inside) = machine.folder_of("the-socket-unit");
    // As it is shipped, on a free port of the machine's own network.
    fs::write(folder.join("socket"), SOCKET.replace("ListenStream=4444", &format!("ListenStream={address}")))
        .unwrap();
    let reloads = machine.reloads();
    machine.run(&format!(
        "install -D -m 0644 {inside}/socket /etc/systemd/system/{name}.socket && systemctl daemon-reload"
    ));
    drop(reloads);
    machine.run(&format!("systemctl start {name}.socket"));
    assert_eq!(unit.show("ActiveState"), "inactive");
    // The first client starts it, and waits.
    machine.run(&format!("svc-example health live --address {address} --timeout 60s"));
    unit.becomes("ActiveState", "active");
    assert!(unit.log().contains("\"origin\":\"inherited\""), "{}", unit.log());
    println!("socket unit: {}", restarts_under_load(machine, &unit, name, address.port()));
    // A stop and a start, too: the client waits between them.
    unit.does("stop");
    machine.run(&format!("svc-example health live --address {address} --timeout 60s"));
    machine.run(&format!("systemctl stop {name}.socket {name}.service"));
    let log = unit.log();
    assert!(!log.contains("\"level\":\"error\""), "{log}");
    println!("the journal:\n{log}");
}

#[test]
fn the_store_keeps_a_listener_over_restarts_and_a_stop_that_takes_its_time() {
    let Some(machine) = machine() else { return };
    let name = "with-a-store";
    // A drain of a second, in which it works on.
    let drain = "RestartSec=300ms\nExecStart=\n\
        ExecStart=/usr/local/bin/svc-example --config-dir=%d --log-format=json --drain-delay=1s\n";
    let loaded = Loaded::of(machine, name);
    let unit = machine.install(name, UNIT, &format!("{drain}{}", loaded.settings));
    unit.does("start");
    poll("a listener in the store", || (unit.show("NFileDescriptorStore") == "1").then_some(()));
    let address = |log: &str| {
        let started = log.lines().rev().find(|line| line.contains("metrics HTTP server started")).unwrap();
        let address = started.split("\"addr\":\"").nth(1).unwrap().split('"').next().unwrap();
        address.parse::<std::net::SocketAddr>().unwrap()
    };
    let first = address(&unit.log());
    let waits = restarts_under_load(machine, &unit, name, first.port());
    println!("store: {waits}");
    let log = unit.log();
    assert_eq!(address(&log), first, "any port is that of the first process");
    assert_eq!(log.matches("\"origin\":\"store\"").count(), 5, "{log}");
    assert!(!log.contains("\"level\":\"error\""), "{log}");
    // It answered during the drain, so no client waited for a second.
    unit.does("stop");
    assert_eq!((unit.show("Result"), unit.show("ExecMainStatus")), ("success".into(), "0".into()));
}
