//! The page of messages: consumers and dead letters, with what operators do to them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use nix::sys::signal::Signal;
use schema::messaging_capnp::messaging_spec;
use serde_json::json;

use super::{
    driver::Browser,
    server::{Dashboard, start},
};
use crate::program::{Process, Program};

/// The application with dead letters, with the keys and the port of the example. Messages stay inside.
fn letters(folder: &Path) -> Process {
    let configs = folder.join("configs");
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<messaging_spec::Builder<'_>>().set_in_process(true);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let config = configs.join("0xe5fd6a364d10d023");
    fs::write(&config, content).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
    let app = app(env!("CARGO_BIN_EXE_letters"), &configs);
    app.ready();
    app
}

/// Another application with the keys and the port of the example.
fn app(program: &str, configs: &Path) -> Process {
    let app = Program::new(program).without_environment().args([
        "--domain-id",
        "0xd0",
        "--app-id",
        "0xa0",
        "--config-dir",
        configs.to_str().unwrap(),
    ]);
    let app = app.start();
    app.started();
    app
}

/// Makes the change that a button opens, and waits until the dialog shows `made`.
fn change(browser: &mut Browser, button: &str, reason: &str, made: &str) {
    browser.click(button);
    browser.fill("dialog input", reason);
    browser.click("dialog button.primary");
    browser.wait(made);
    browser.click("dialog button:has-text('Close')");
}

#[test]
fn dead_letters_are_shown_replayed_and_dropped_and_consumers_paused() {
    let Some(mut browser) = Browser::start() else { return };
    let shown = start();
    shown.app.signal(Signal::SIGTERM);
    shown.app.ended();
    let app = letters(shown.folder.path());
    let mut dashboard = Dashboard::start(&shown.folder.path().join("contexts.json"), &[]);
    browser.open(&dashboard.url(), 1280, false);
    browser.wait("tbody tr .chip:has-text('Ready')");
    browser.place("#/app/operator/services");
    browser.click("nav.tabs a:has-text('Messages')");
    browser.wait("tr:has-text('a1c45d0e7b923f68_deliverer') .chip:has-text('Running')");
    browser.wait(".check:has-text('no street is called nowhere-3')");
    assert_eq!(browser.count(".check"), 3);

    browser.click("button[aria-label='Show letter 2']");
    browser.wait("pre:has-text('\"name\": \"nowhere-2\"')");
    browser.shot("messages-wide");
    browser.click("button[aria-label='Replay letter 1']");
    browser.wait("dialog:has-text('Replay letter 1 of parcels?')");
    assert_eq!(browser.count("dialog button.primary:disabled"), 1, "without a reason nothing is done");
    browser.fill("dialog input", "the street has a name now");
    browser.click("dialog button.primary");
    browser.wait("dialog .note:has-text('Done')");
    browser.click("dialog button:has-text('Close')");
    // It fails again: a new letter, and the old one is gone.
    browser.wait(".check:has-text('letter 4'):has-text('replayed before')");
    browser.wait_gone("button[aria-label='Show letter 1']");

    browser.click("button[aria-label='Drop letter 2']");
    browser.fill("dialog input:not([type=checkbox])", "nobody waits for it");
    browser.click("dialog input[type=checkbox]");
    browser.click("dialog button.danger");
    browser.wait("dialog .note:has-text('Done')");
    browser.click("dialog button:has-text('Close')");
    browser.wait_gone("button[aria-label='Show letter 2']");

    change(
        &mut browser,
        "button:has-text('Pause…')",
        "the truck is being washed",
        "dialog .note:has-text('Done')",
    );
    browser.wait("tr:has-text('deliverer') .chip:has-text('Paused')");
    browser.wait("tr:has-text('operator.dev paused it: the truck is being washed')");
    browser.wait(".note:has-text('consumer a1c45d0e7b923f68_deliverer is paused')");
    change(&mut browser, "button:has-text('Resume…')", "it is clean", "dialog .note:has-text('Done')");
    browser.wait("tr:has-text('deliverer') .chip:has-text('Running')");

    let ended = "dialog:has-text('The job has begun') .job .chip:has-text('Done')";
    change(&mut browser, "button:has-text('Replay all…')", "all streets have names now", ended);
    browser.wait("button[aria-label='Show letter 6']");

    for (name, width, dark) in [("narrow", 400, false), ("dark", 1280, true)] {
        browser.open(&dashboard.url(), width, dark);
        browser.place("#/app/operator/messages");
        browser.wait(".check:has-text('nowhere-3')");
        browser.shot(&format!("messages-{name}"));
    }
    // Who may not change anything sees why.
    browser.place("#/app/reader/messages");
    browser.wait("tr:has-text('deliverer') button:disabled");
    browser.wait(".empty:has-text('Your role is too low')");
    browser.expect_no_problems("messages");
    let record = app.record("an audit record", |record| {
        record["reason"] == "nobody waits for it" && record["outcome"] == "granted"
    });
    assert_eq!(record["names"], json!(["operator.dev"]));
}

#[test]
fn an_app_without_messages_has_no_page_of_them() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    shown.app.signal(Signal::SIGTERM);
    shown.app.ended();
    let _app = app(env!("CARGO_BIN_EXE_hundred"), &shown.folder.path().join("configs"));
    browser.open(&shown.dashboard.url(), 1280, false);
    browser.wait("tbody tr .chip:has-text('Ready')");
    browser.place("#/app/operator/services");
    browser.wait("nav.tabs a:has-text('Operations')");
    browser.wait(".node:has-text('maker')");
    assert_eq!(browser.count("nav.tabs a:has-text('Messages')"), 0);
}
