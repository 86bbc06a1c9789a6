//! Each page of an app, in light and dark, wide and narrow; changes and denials.

use app_rpc::admin::ADMIN_CALL;
use serde_json::{Value, json};

use super::{
    driver::Browser,
    server::{Shown, start},
};

/// Each page, and what it shows when it is there.
const PAGES: [(&str, &str); 7] = [
    ("services", ".node:has-text('quota-rpc')"),
    ("health", ".check:has-text('quota_commands_answer') .strip .pass"),
    ("metrics", ".chart:has-text('process_resident_memory_bytes') canvas"),
    ("log", ".tail .line, .empty"),
    ("events", ".tail .line, .empty"),
    ("config", ".card:has-text('Files') .chip:has-text('From its file')"),
    ("operations", ".card:has-text('Log levels') dd"),
];

#[test]
fn each_page_is_readable_wide_and_narrow_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    for (name, width, dark) in [("wide", 1280, false), ("dark", 1280, true), ("narrow", 400, false)] {
        browser.open(&shown.dashboard.url(), width, dark);
        browser.wait("tbody tr .chip:has-text('Ready')");
        browser.shot(&format!("fleet-{name}"));
        for (page, there) in PAGES {
            browser.place(&format!("#/app/operator/{page}"));
            browser.wait(there);
            if page == "metrics" {
                // A line needs two samples.
                browser.eval("new Promise((done) => setTimeout(done, 5500))");
            }
            browser.shot(&format!("{page}-{name}"));
        }
        let background = browser.eval("getComputedStyle(document.body).backgroundColor");
        let expected = if dark { "rgb(14, 18, 23)" } else { "rgb(245, 246, 248)" };
        assert_eq!(background, expected, "{name}");
    }
    // Now there is a history.
    browser.open(&shown.dashboard.url(), 1280, false);
    for (page, there) in PAGES.iter().filter(|(page, _)| ["services", "metrics"].contains(page)) {
        browser.place(&format!("#/app/operator/{page}"));
        browser.wait(there);
        browser.shot_of_window(&format!("docs-{page}"));
    }
}

#[test]
fn a_page_is_used_with_the_keyboard_alone() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    browser.open(&shown.dashboard.url(), 1280, false);
    browser.wait("a[href='#/app/operator/services']");
    browser.eval("document.querySelector(\"a[href='#/app/operator/services']\").focus()");
    browser.press("Enter");
    browser.wait(".node");
    browser.eval("document.querySelector('.node').focus()");
    browser.press("Enter");
    browser.wait(".detail");
    // Nothing that acts is without a name, and nothing that takes input without a label.
    let nameless = "[...document.querySelectorAll('button, a, input, select, [role=img]')].filter((e) => !(e.ariaLabel || e.getAttribute('aria-label') || e.innerText?.trim() || e.labels?.length || e.title)).map((e) => e.outerHTML)";
    for (page, there) in PAGES {
        browser.place(&format!("#/app/operator/{page}"));
        browser.wait(there);
        assert_eq!(browser.eval(nameless), json!([]), "{page}");
        let current = browser.text("[aria-current=page]");
        assert_eq!(current.to_lowercase(), page, "the tab of the page is marked");
        assert_eq!(browser.count("main"), 1);
    }
}

/// Waits for the audit record of a call.
fn audit(shown: &Shown, method: &str, outcome: &str) -> Value {
    shown.app.record(&format!("{method} {outcome}"), |record| {
        record["event"] == ADMIN_CALL.hex() && record["method"] == method && record["outcome"] == outcome
    })
}

#[test]
fn a_change_is_made_with_a_reason_and_is_on_record() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    browser.open(&shown.dashboard.url(), 1280, false);
    browser.wait("tbody tr");
    browser.place("#/app/operator/health");
    browser.click("button:has-text('Pause…')");
    browser.wait("dialog[open]");
    assert_eq!(browser.count("dialog button.primary:disabled"), 1, "without a reason nothing is done");
    browser.fill("dialog input", "the disk is being changed");
    browser.shot("change");
    browser.click("dialog button:has-text('Pause')");
    browser.wait("dialog .note:has-text('Done')");
    browser.click("dialog button:has-text('Close')");
    browser.wait_gone("dialog");
    browser.wait(".chip:has-text('Paused')");
    let record = audit(&shown, "Health.pause", "granted");
    assert_eq!(record["reason"], "the disk is being changed");
    assert_eq!(record["names"], json!(["operator.dev"]));

    browser.place("#/app/operator/services");
    browser.click(".node:has(b:text-is('quota'))");
    browser.wait(".detail dd:has-text('quota-rpc')");
    browser.click(".detail button:has-text('Restart…')");
    browser.wait("dialog:has-text('takes along 1 service')");
    browser.fill("dialog input", "new rules");
    browser.click("dialog button.primary");
    browser.wait("dialog .note:has-text('The restart is decided')");
    // The dialog follows the restart, which may still fail.
    browser.wait("dialog p:has-text('quota'):has-text('1 restart') .chip:has-text('Running')");
    assert_eq!(audit(&shown, "App.restart", "granted")["reason"], "new rules");
    browser.click("dialog button:has-text('Close')");
    browser.wait(".node:has-text('quota-rpc') em:has-text('1')");

    browser.place("#/app/operator/operations");
    browser.click("button:has-text('Set a level…')");
    browser.select("dialog select >> nth=1", "warn");
    browser.fill("dialog input", "too much");
    browser.click("dialog button.primary");
    browser.wait("dialog .note:has-text('Done')");
    assert_eq!(audit(&shown, "Levels.setApp", "granted")["reason"], "too much");
    browser.click("dialog button:has-text('Close')");
    browser.wait("dd:has-text('warn, for another')");
    browser.click("button:has-text('Show the stacks')");
    browser.wait("pre:has-text('thread')");
    browser.expect_no_problems("changes");
}

#[test]
fn a_change_of_a_reader_is_denied_and_on_record() {
    let Some(mut browser) = Browser::start() else { return };
    let mut shown = start();
    browser.open(&shown.dashboard.url(), 1280, false);
    browser.wait("tbody tr");
    browser.place("#/app/reader/health");
    browser.wait(".check");
    // A button that the page disables is no protection: the app denies the request itself.
    let change = "fetch('/api/apps/reader/change', { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${sessionStorage.getItem('session')}` }, body: JSON.stringify({ change: 'stop', reason: 'may I?', confirmed: true }) }).then(async (r) => ({ status: r.status, ...(await r.json()) }))";
    let denied = browser.eval(change);
    assert_eq!((&denied["status"], &denied["kind"]), (&json!(403), &json!("denied")), "{denied}");
    assert!(denied["error"].as_str().unwrap().contains("needs the role admin"), "{denied}");
    let record = audit(&shown, "App.end", "denied");
    assert_eq!((&record["reason"], &record["names"]), (&json!("may I?"), &json!(["reader.dev"])), "{record}");
    assert!(shown.app.runs());
}
