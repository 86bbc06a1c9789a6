//! `--dev`: the printed command lines work unchanged with the service that printed them.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use app_core::events::APP_STARTED;
use app_rpc::admin::ADMIN_CALL;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    http,
    program::{Ended, Process, Program, poll},
};

/// Starts the service with `--dev` on free ports. Returns its output, too.
pub(crate) fn start() -> (Process, String) {
    poll("ports that no other program takes first", || {
        let process = Program::service().args(["--dev=0"]).start();
        let tour = process.printed("that was the tour'\n");
        let started = APP_STARTED.hex();
        let record = process
            .record("started or not", |record| record["event"] == started || record["level"] == "error");
        (record["event"] == started).then_some((process, tour))
    })
}

/// The printed command lines. Each has the line that sets the environment in front.
pub(crate) fn lines(tour: &str) -> Vec<String> {
    let tried: Vec<_> = tour.lines().skip_while(|line| !line.starts_with("export ")).collect();
    let (export, lines) = tried.split_first().unwrap();
    let lines = lines.iter().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{export}\n{line}")).collect()
}

pub(crate) fn shell(line: &str) -> Program {
    Program::new("sh").args(["-c", line])
}

/// Runs the line that contains this text.
fn run(lines: &[String], part: &str) -> Ended {
    let found: Vec<_> = lines.iter().filter(|line| line.lines().last().unwrap().contains(part)).collect();
    assert_eq!(found.len(), 1, "{part}: {found:?}");
    shell(found[0]).run()
}

/// The folder with keys, certificates and configs.
pub(crate) fn folder(tour: &str) -> PathBuf {
    tour.lines().next().unwrap().split(" are in ").nth(1).unwrap().split(',').next().unwrap().into()
}

fn assert_says(ended: &Ended, parts: &[&str]) {
    ended.expect_code(0);
    for part in parts {
        assert!(ended.stdout.contains(part), "{part}:\n{}", ended.stdout);
    }
}

/// Waits for the audit record of a call.
fn audit(process: &Process, method: &str, outcome: &str) -> Value {
    process.record(&format!("{method} {outcome}"), |record| {
        record["event"] == ADMIN_CALL.hex() && record["method"] == method && record["outcome"] == outcome
    })
}

/// The operations on the rules of an instance and of the fleet.
fn operations_do_what_they_say(process: &Process, lines: &[String], ask: &impl Fn(&str) -> Ended) {
    assert_says(&run(lines, "do quota forget"), &["buckets  1", "rule     slow"]);
    let asked = run(lines, "bob --rule shared");
    assert_says(&asked, &["granted   5 left", "granted   0 left", "denied    0 left"]);
    assert_says(&run(lines, "do quota refill"), &["sequence  1", "OP_d0_59e39d8d10c4dfdd"]);
    let full = || ask("--context '#quota' bob --rule shared").stdout.starts_with("granted   5 left");
    poll("the bucket of the fleet is full again", || full().then_some(()));
    let record = audit(process, "App.callOperation", "done");
    assert_eq!(
        (&record["operation"], &record["names"]),
        (&"quota forget".into(), &json!(["operator.dev"])),
        "{record}"
    );
    assert_eq!(
        (&record["arguments"], &record["reason"]),
        (&r#"{"rule":"slow"}"#.into(), &"start afresh".into())
    );
}

#[test]
fn the_lines_that_dev_prints_do_what_they_say() {
    let (process, tour) = start();
    let lines = lines(&tour);
    assert_says(&run(&lines, "appctl status"), &["svc-example", "ready", "domain 0xd0, app 0xa0"]);
    assert_says(&run(&lines, "appctl services"), &["quota-rpc", "rpc", "running"]);
    let asked = run(&lines, "alice --rule slow");
    assert_says(&asked, &["granted   2 left", "granted   1 left", "granted   0 left", "denied    0 left"]);
    assert_eq!(asked.stdout.lines().count(), 4);
    let export = lines[0].lines().next().unwrap();
    let ask = |rest: &str| shell(&format!("{export}\nsvc-example acquire {rest}")).run();
    // A name alone is a context of the file in `OP_CONTEXT`.
    let denied = ask("--context '#quota' alice --rule slow");
    assert!(denied.code() == Some(6) && denied.stdout.starts_with("denied "), "{denied:?}");
    let wrong = ask("--context \"$OP_CONTEXT#quota\" alice --rule nosuch");
    assert!(wrong.code() == Some(1) && wrong.stderr.contains("there is no rule \"nosuch\""), "{wrong:?}");
    let unknown = ask("--context \"$OP_CONTEXT#nosuch\" alice");
    assert!(unknown.code() == Some(78) && unknown.stderr.contains("no such context"), "{unknown:?}");
    operations_do_what_they_say(&process, &lines, &ask);
    let again = ask("--context '#quota' alice --rule slow");
    assert!(again.code() == Some(0) && again.stdout.starts_with("granted "), "{again:?}");
    assert_says(&run(&lines, "level set debug --for 10s"), &["debug for 10s"]);
    let level = lines.iter().find(|line| line.ends_with("\nappctl level")).unwrap();
    assert_says(&shell(level).run(), &["debug"]);
    assert_says(&run(&lines, "health pause"), &["is paused"]);
    assert_says(&run(&lines, "health list"), &["quota_commands_answer", "paused"]);
    assert_says(&run(&lines, "health resume"), &["runs again"]);
    assert_says(&run(&lines, "appctl stacks"), &["thread", "\"worker\"", "rpc"]);
    let events = lines.iter().find(|line| line.contains("events --follow")).unwrap();
    // `exec` replaces the shell, so that the process ends with the test.
    let events = shell(&events.replace("\nappctl", "\nexec appctl")).start();
    events.line("connected to");

    let denied = run(&lines, "#reader");
    assert_eq!(denied.code(), Some(5), "{}", denied.stderr);
    assert!(
        denied.stderr.contains("needs the role admin, and this client (reader.dev)"),
        "{}",
        denied.stderr
    );
    let record = audit(&process, "App.end", "denied");
    assert_eq!((&record["names"], &record["reason"]), (&json!(["reader.dev"]), &"may I?".into()), "{record}");
    assert_eq!((&record["role"], &record["level"]), (&"read".into(), &"warn".into()), "{record}");
    assert!(record["serial"].as_str().is_some_and(|serial| serial.len() == 32), "{record}");
    assert_eq!(audit(&process, "Health.pause", "granted")["names"], json!(["operator.dev"]));

    run(&lines, "#admin").expect_code(0);
    let record = audit(&process, "App.end", "granted");
    assert_eq!((&record["names"], &record["reason"]), (&json!(["admin.dev"]), &"that was the tour".into()));
    process.ended().expect_code(0);
    // The command would try to reconnect for a minute.
    let followed = events.printed("that was the tour (by admin.dev over RPC)");
    assert!(followed.contains("app_stopping"), "{followed}");
    // The test has tried all lines, and the folder is removed.
    assert_eq!(lines.len(), 15, "{lines:#?}");
    assert!(!folder(&tour).exists());
}

#[test]
fn what_dev_makes_is_sealed_for_its_owner_alone_and_on_loopback() {
    let (process, tour) = start();
    let folder = folder(&tour);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("configs"))), (0o700, 0o700));
    for entry in fs::read_dir(folder.join("configs")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o400, "{path:?}");
        let sealed = fs::read(&path).unwrap().starts_with(b"age-encryption.org/");
        assert_eq!(sealed, path.file_name().unwrap() != "config.identity", "{path:?}");
    }
    let contexts = fs::read_to_string(folder.join("contexts.json")).unwrap();
    let contexts: Value = serde_json::from_str(&contexts).unwrap();
    for name in ["admin", "operator", "reader", "quota"] {
        let context = &contexts["contexts"][name];
        assert_eq!(mode(&folder.join(context["key"].as_str().unwrap())), 0o400, "{name}");
        let address: SocketAddr = context["address"].as_str().unwrap().parse().unwrap();
        assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
        TcpStream::connect(address).unwrap();
    }
    assert_eq!(http::get(process.address(), "/readyz").status, 200);
    // A second process has its own ports and its own folder.
    let (other, others_tour) = start();
    assert_ne!(self::folder(&others_tour), folder);
    // A new process removes the folder of a killed one, and keeps the folders of running ones.
    other.signal(Signal::SIGKILL);
    other.ended();
    let left_behind = self::folder(&others_tour);
    assert!(left_behind.exists());
    let (third, _) = start();
    assert!(!left_behind.exists());
    third.signal(Signal::SIGTERM);
    third.ended().expect_code(0);
    assert!(folder.exists());
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    assert!(!folder.exists());
}

#[test]
fn the_page_of_the_tour_has_the_lines_that_dev_prints() {
    let (process, tour) = start();
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    let page = include_str!("../../../docs/TOUR.md");
    let told: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(told.len() > 8, "{told:?}");
    for line in told.into_iter().filter(|line| !line.starts_with("cargo ")) {
        assert!(tour.lines().any(|printed| printed == line), "{line} is not printed");
    }
}

#[test]
fn the_commands_of_the_page_on_operations_work() {
    let (process, tour) = start();
    let export = lines(&tour)[0].lines().next().unwrap().to_owned();
    let page = include_str!("../../../docs/OPERATIONS.md");
    let commands: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let ended = shell(&format!("{export}\n{command}")).run();
        ended.expect_code(0);
        assert!(ended.stdout.contains("forget") || ended.stdout.contains("buckets"), "{command}: {ended:?}");
    }
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn dev_has_configs_of_its_own_and_says_so() {
    for args in [
        &["--dev", "--config-dir", "/tmp"][..],
        &["--dev", "--check"],
        &["--dev=0", "--config-identity", "x"],
    ] {
        let ended = Program::service().args(args).run();
        ended.expect_code(2);
        assert!(ended.stderr.contains("cannot be used with"), "{}", ended.stderr);
    }
    for port in ["--dev=65534", "--dev=x"] {
        Program::service().args([port]).run().expect_code(2);
    }
    // A named place that is not a folder is an error.
    let ended = Program::service().args(["--dev"]).env("CARGO_TARGET_DIR", "/dev/null").run();
    ended.expect_code(1);
    assert!(ended.stderr.starts_with("--dev: /dev/null/dev: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("CARGO_TARGET_DIR"), "{}", ended.stderr);
}

/// Starts the service from a shell, after other commands, and stops it. Returns the folder of its files.
#[track_caller]
fn started_from(current: &Path, before: &str) -> PathBuf {
    let program = e2e::svc_example();
    let line = format!("cd '{}' && {before} exec {program} --dev=0", current.display());
    let process = Program::new("env").args(["-i", "sh", "-c", &line]).start();
    let tour = process.printed("that was the tour'\n");
    process.event(APP_STARTED);
    let contexts = fs::read_to_string(folder(&tour).join("contexts.json")).unwrap();
    assert!(contexts.contains("admin.dev"), "{contexts}");
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    assert!(!folder(&tour).exists(), "removed when the process ends");
    folder(&tour)
}

#[test]
fn keys_are_under_the_target_of_the_current_folder_or_in_a_temporary_one() {
    let (current, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (current, temporary) =
        (current.path().canonicalize().unwrap(), temporary.path().canonicalize().unwrap());
    let set = format!("export TMPDIR='{}';", temporary.display());
    let starts = |before: &str| started_from(&current, &format!("{set} {before}"));

    assert!(starts("").starts_with(&temporary), "there is no target");
    fs::write(current.join("target"), "a file").unwrap();
    assert!(starts("").starts_with(&temporary), "target is a file");
    fs::remove_file(current.join("target")).unwrap();
    fs::create_dir(current.join("target")).unwrap();
    assert!(starts("").starts_with(current.join("target/dev")));
    assert!(starts("umask 0777;").starts_with(current.join("target/dev")), "the umask does not matter");
    // A user who may add files to a folder may also remove files of others.
    fs::set_permissions(current.join("target"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(starts("").starts_with(&temporary), "all users may change target");
    fs::remove_dir_all(current.join("target")).unwrap();
    assert!(starts("mkdir gone; cd gone; rmdir ../gone;").starts_with(&temporary), "no current folder");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left");
}
