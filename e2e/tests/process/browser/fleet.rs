//! The fleet page, sessions, and apps that come and go.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use app_core::events::APP_STARTED;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

use super::{
    driver::Browser,
    server::{self, Dashboard, get, send, session, start, start_app},
};
use crate::{
    program::{Program, poll},
    tools,
};

#[test]
fn the_fleet_is_shown_and_a_url_is_good_once() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    let url = shown.dashboard.url();
    browser.open(&url, 1280, false);
    browser.wait("a[href='#/app/operator/services']");
    browser.wait("tr:has(a[href='#/app/reader/services']) .chip:has-text('Ready')");
    assert_eq!(browser.count("tbody tr"), 3, "the context of the quota service is no app");
    browser.wait("text=8 of 8 running >> nth=0");
    browser.wait("td:has-text('MiB') >> nth=0");
    assert!(!browser.eval("location.href").as_str().unwrap().contains("token"), "the token is out of sight");
    let painted =
        "performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint')?.startTime";
    println!("first paint after {} ms", browser.eval(painted));
    browser.shot("fleet");
    browser.shot_of_window("docs-fleet");
    // The session is the tab's. A reload keeps it, another tab has none.
    browser.reload();
    browser.wait("tbody tr");
    browser.open(&url, 1280, false);
    browser.wait("text=The token was used");
    browser.shot("no-session");
    let again = shown.dashboard.url();
    assert_ne!(again, url);
    // The same tab takes it, although only what is behind the `#` differs.
    browser.go(&again);
    browser.wait("tbody tr");
    // Another page that is opened while the first one is being drawn is shown.
    let moves = "new MutationObserver(() => { if (document.querySelector('header') && location.hash === '#/') location.hash = '#/app/operator/services'; }).observe(document, { childList: true, subtree: true })";
    browser.open_with(&shown.dashboard.url(), moves);
    browser.wait(".node:has-text('quota-rpc')");
}

#[test]
fn an_app_that_dies_and_comes_back_is_shown_as_such() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    browser.open(&shown.dashboard.url(), 1280, false);
    browser.wait("tr:has(a[href='#/app/admin/services']) .chip:has-text('Ready')");
    let fleet = browser.eval(FLEET);
    assert_eq!(states(&fleet), ["ready"; 3], "{fleet}");
    shown.app.signal(Signal::SIGKILL);
    shown.app.ended();
    // Each instance is asked on its own.
    browser.wait(".chip:has-text('Unreachable') >> nth=2");
    browser.wait("text=connection refused");
    browser.shot("fleet-unreachable");
    assert_eq!(states(&browser.eval(FLEET)), ["unreachable"; 3]);
    browser.place("#/app/admin/services");
    browser.wait(".note.bad");
    let app = start_app(shown.folder.path());
    browser.wait(".app-head .chip:has-text('Ready')");
    browser.wait(".node:has-text('quota')");
    browser.expect_no_problems("it came back");
    // The end of the dashboard is told as well.
    shown.dashboard.process.signal(Signal::SIGINT);
    shown.dashboard.process.ended().expect_code(0);
    browser.wait("text=is it still running?");
    drop(app);
}

/// What the page has asked for, as JSON, with the session of the page.
const FLEET: &str = "fetch('/api/fleet', { headers: { authorization: `Bearer ${sessionStorage.getItem('session')}` } }).then((r) => r.json())";

fn states(fleet: &Value) -> Vec<&str> {
    fleet["apps"].as_array().unwrap().iter().map(|app| app["state"].as_str().unwrap()).collect()
}

#[test]
fn an_empty_fleet_says_what_to_do() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let contexts = folder.path().join("contexts.json");
    fs::write(&contexts, r#"{ "contexts": {} }"#).unwrap();
    let mut dashboard = Dashboard::start(&contexts, &[]);
    browser.open(&dashboard.url(), 1280, false);
    browser.wait("text=No apps yet");
    browser.wait("text=appctl context add");
    browser.shot("fleet-empty");
}

#[test]
fn the_fleet_as_json_is_for_sessions_only() {
    let mut shown = start();
    let url = shown.dashboard.url();
    let base = shown.dashboard.base();
    for path in ["/api/fleet", "/api/stream?topics=summary", "/api/nothing"] {
        assert_eq!(send(&base, &format!("GET {path} HTTP/1.1"), "").0, 401, "{path}");
    }
    let session = session(&url);
    let (status, fleet) = get(&base, "/api/fleet", &session);
    assert_eq!((status, states(&fleet)), (200, vec!["ready"; 3]), "{fleet}");
    let operator = &fleet["apps"][1];
    assert_eq!((&operator["key"], &operator["name"]), (&json!("operator"), &json!("svc-example")));
    assert_eq!(operator["pid"], shown.app.pid());
    // Only the named contexts.
    let contexts = shown.folder.path().join("contexts.json");
    let mut one = Dashboard::start(&contexts, &["reader"]);
    let session = server::session(&one.url());
    let (_, fleet) = get(&one.base(), "/api/fleet", &session);
    assert_eq!(fleet["apps"].as_array().unwrap().len(), 1, "{fleet}");
    assert!(shown.app.seen(|record| record["event"] == APP_STARTED.hex()));
}

#[test]
fn the_commands_for_programs_work_as_written() {
    if !tools::installed("curl", &["--version"], "curl") {
        return;
    }
    let page = include_str!("../../../../docs/DASHBOARD.md");
    let block = page.split("```sh\n").find(|block| block.starts_with("session=")).unwrap();
    let (commands, _) = block.split_once("```").unwrap();
    let mut shown = start();
    let url = shown.dashboard.url();
    let (base, token) = url.split_once("/#token=").unwrap();
    let port = base.rsplit(':').next().unwrap();
    let ended = Program::new("sh").args(["-c", commands]).env("token", token).env("port", port).run();
    ended.expect_code(0);
    assert_eq!(states(&serde_json::from_str(&ended.stdout).unwrap()), ["ready"; 3]);
}

fn refused(contexts: &Path, more: &[&str]) -> (Option<i32>, String) {
    let program = Program::new(e2e::appctl()).without_environment();
    let ended = program.args(["dashboard", "--context", contexts.to_str().unwrap()]).args(more).run();
    (ended.code(), ended.stderr)
}

#[test]
fn addresses_that_others_reach_and_wrong_contexts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let contexts = folder.path().join("contexts.json");
    fs::write(&contexts, r#"{ "contexts": {} }"#).unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:127.0.0.1]:0"] {
        let (code, stderr) = refused(&contexts, &["--listen", address]);
        assert_eq!(code, Some(2), "{address}: {stderr}");
        assert!(stderr.contains("is not loopback"), "{stderr}");
    }
    assert_eq!(refused(&contexts, &["--listen", "8080"]).0, Some(2));
    let (code, stderr) = refused(&contexts, &["nosuch"]);
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("no context \"nosuch\""), "{stderr}");
    assert_eq!(refused(&folder.path().join("missing.json"), &[]).0, Some(78));
}

#[test]
fn in_the_background_of_a_terminal_it_serves_on() {
    if !tools::installed("script", &["--version"], "bsdutils") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let contexts = folder.path().join("contexts.json");
    fs::write(&contexts, r#"{ "contexts": {} }"#).unwrap();
    // With job control, a process in the background that reads the terminal is stopped.
    let (appctl, contexts) = (e2e::appctl(), contexts.display());
    let line = format!("sh -mc '{appctl} dashboard --context {contexts} & echo runs as $!; wait'");
    let shell = Program::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).start();
    let printed = shell.printed("#token=");
    let url = printed.lines().find(|line| line.contains("#token=")).unwrap().trim();
    assert_eq!(
        get(url.split("/#").next().unwrap(), "/api/fleet", &session(url)),
        (200, json!({ "apps": [] }))
    );
    let printed = shell.printed("runs as ");
    let pid = printed.lines().find_map(|line| line.trim().strip_prefix("runs as ")).unwrap();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGTERM).unwrap();
    shell.ended().expect_code(0);
}

#[test]
fn the_browser_gets_a_private_file_and_no_token_on_its_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let contexts = folder.path().join("contexts.json");
    fs::write(&contexts, r#"{ "contexts": {} }"#).unwrap();
    let (browser, seen) = (folder.path().join("browser"), folder.path().join("seen"));
    let script = format!("#!/bin/sh\necho \"$@\" >{0}.new\nmv {0}.new {0}\n", seen.display());
    fs::write(&browser, script).unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o700)).unwrap();
    let program = Program::new(e2e::appctl()).without_environment().env("BROWSER", &browser);
    let program = program.env("XDG_RUNTIME_DIR", folder.path()).env("PATH", "/usr/bin:/bin");
    let dashboard = program.args(["dashboard", "--open", "--context", contexts.to_str().unwrap()]).start();
    let url = dashboard.printed("#token=").trim().to_owned();
    let arguments = poll("the browser", || fs::read_to_string(&seen).ok());
    assert!(!arguments.contains("token") && !arguments.contains("http"), "{arguments}");
    let file = Path::new(arguments.trim());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(file).unwrap().contains(&format!("url={url}\"")), "it leads to the URL");
    session(&url);
    poll("the file is gone when the token is spent", || (!file.exists()).then_some(()));
    dashboard.signal(Signal::SIGUSR1);
    let file = poll("the browser again", || {
        let now = fs::read_to_string(&seen).ok()?;
        (now != arguments).then(|| Path::new(now.trim()).to_owned())
    });
    assert!(file.exists());
    dashboard.signal(Signal::SIGTERM);
    dashboard.ended().expect_code(0);
    assert!(!file.exists(), "the end removes it");
}
