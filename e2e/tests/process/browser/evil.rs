//! An app that answers markup and scripts in each text: the page shows them as text, and runs nothing.

use std::collections::BTreeSet;

use app_dashboard::{Call, Instance, Question};
use serde_json::{Value, json};

use super::{answers::serve, driver::Browser};

/// What an attacker puts into each text. U+2028 and U+2029 end a line in some languages, and stand in JSON as they are.
const EVIL: &str = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'><a href='javascript:window.hit=1'>x</a>\" onclick=\"window.hit=1\" {{hit}} ${window.hit=1} \u{2028}event: fleet\u{2029}data: {}";

fn operation(service_name: &str, name: &str) -> Value {
    json!({ "service": "0x1", "service_name": service_name, "name": name, "about": EVIL, "role": "read", "effect": "reads" })
}

fn job(mut operation: Value) -> Value {
    operation["job"] = json!(true);
    operation
}

fn run() -> Value {
    json!({ "started_at": EVIL, "duration_seconds": 0.1, "outcome": EVIL, "error": EVIL, "failures": 1 })
}

fn answer(question: &Question) -> Value {
    match question {
        Question::Identity => {
            json!({ "name": EVIL, "version": EVIL, "instance": EVIL, "host": EVIL, "pid": 1, "release": EVIL, "started_at": EVIL })
        }
        Question::Readiness => {
            json!({ "ready": false, "reasons": [EVIL], "notes": [EVIL], "ends": [{ "at": EVIL }] })
        }
        Question::Services => {
            json!({ "services": [{ "id": "0xe5fd6a364d10d023", "name": EVIL, "state": "running", "needs": [] }, {
            "id": EVIL, "name": EVIL, "state": EVIL, "reason": EVIL, "restarts": 1, "deaths": 1, "planned_stops": 1,
            "restart_policy": EVIL, "last_failure": EVIL, "last_failure_at": EVIL, "uptime_seconds": 1.0,
            "start_seconds": 0.1, "tasks": 1, "level": EVIL, "needs": [EVIL, "__proto__"], "config_note": EVIL,
        }] })
        }
        Question::Checks | Question::Check(_) => {
            let check = json!({
                "id": "0x2", "name": EVIL, "status": EVIL, "since": EVIL, "problem": EVIL, "critical": true, "groups": [EVIL],
                "interval_seconds": 1.0, "timeout_seconds": 1.0, "result": run(),
            });
            json!({ "checks": [check], "check": check, "results": [run()], "transitions": [] })
        }
        Question::Configs => json!({ "configs": [
            { "service": EVIL, "name": EVIL, "file": EVIL, "problem": EVIL, "reloads": 0, "refusals": 0 },
        ] }),
        Question::Levels => {
            json!({ "app": { "level": EVIL }, "services": [{ "service": EVIL, "name": EVIL, "level": EVIL }] })
        }
        Question::Metrics => {
            let label = EVIL.replace('"', "\\\"");
            json!({ "text": format!("# HELP m {EVIL}\n# TYPE m gauge\nm{{a=\"{label}\"}} 1\n") })
        }
        Question::Stacks => json!({ "text": EVIL }),
        Question::Operations => json!({ "operations": [
            operation("app", "whoami"), operation("app", "events"), operation("app", "logs"), operation("config", "show"),
            operation(EVIL, EVIL), job(operation(EVIL, "begins-a-job")),
        ] }),
        Question::Describe { .. } => json!({
            "operation": operation(EVIL, EVIL), "results": {},
            "arguments": { "type": "object", "properties": {
                EVIL: { "type": "string", "description": EVIL, "default": EVIL },
                "choice": { "enum": [EVIL], "description": EVIL },
                "__proto__": { "type": "boolean", "description": EVIL },
            } },
        }),
        Question::Call(call) => result(call),
        _ => json!({ "notes": [EVIL], "outcome": EVIL }),
    }
}

/// The result of an operation.
fn result(call: &Call) -> Value {
    match call.name.as_str() {
        "whoami" => json!({ "names": [EVIL], "role": EVIL }),
        "events" | "logs" if call.arguments["after"].is_u64() => {
            json!({ "items": [], "next": 1, "missed": 0 })
        }
        "events" | "logs" => json!({ "next": 1, "missed": 0, "items": [{
            "number": 1, "at_millis": 1, "kind": EVIL, "level": EVIL, "service_name": EVIL, "message": EVIL,
            "record": { "trace_id": EVIL, EVIL: { EVIL: EVIL } },
        }] }),
        "show" => {
            json!({ "services": [{ "id": EVIL, "name": EVIL, "file": EVIL, "since_millis": 1, "fields": [
            { "path": EVIL, "value": EVIL, "source": EVIL }, { "path": EVIL, "value": { "a": EVIL }, "source": EVIL },
        ] }] })
        }
        "consumers" => json!({
            "streams": [{ "stream": EVIL, "messages": EVIL, "bytes": EVIL, "dead_letters": 1, "problem": EVIL }], "left_out": 1,
            "consumers": [{ "consumer": EVIL, "stream": EVIL, "messages": [EVIL], "pending": EVIL, "paused": EVIL }],
        }),
        "dead-letters" => json!({ "next": EVIL, "items": [
            { "number": 1, "message": EVIL, "sequence": EVIL, "consumer": EVIL, "at_millis": EVIL, "reason": EVIL },
        ] }),
        "dead-letter" => json!({ "content": { EVIL: EVIL }, "headers": { EVIL: EVIL } }),
        "begins-a-job" | "replay-dead-letters" => json!({ "job": EVIL }),
        "job" => json!({
            "state": EVIL, "progress": { "done": EVIL, "total": EVIL, "text": EVIL }, "result": { EVIL: EVIL }, "error": EVIL,
        }),
        _ => json!({ "items": [{ EVIL: EVIL }, { "constructor": EVIL }], "next": EVIL }),
    }
}

/// Each page, something that is there when the page is, and what a click opens.
const PAGES: [(&str, &str, &str); 8] = [
    ("messages", ".check", "button[aria-label^='Show letter']"),
    ("services", ".node", ".node"),
    ("health", ".check", "summary"),
    ("metrics", ".chart", ".chart h3"),
    ("log", ".line", ".line summary"),
    ("events", ".line", ".line"),
    ("config", ".card:has-text('Files')", ".card"),
    ("operations", ".operation-head", ".operation-head"),
];

/// Pages with a change, and what opens its dialog.
const CHANGES: [(&str, &str); 3] = [
    ("health", ".check button:has-text('Run now')"),
    ("config", "button:has-text('Reload the files')"),
    ("messages", "button:has-text('Replay all')"),
];

#[test]
fn markup_and_scripts_of_an_app_are_shown_as_text() {
    let Some(mut browser) = Browser::start() else { return };
    let instance = || Instance { key: "evil".to_owned(), context: EVIL.to_owned(), address: EVIL.to_owned() };
    let served = serve(move || vec![instance()], |question| Ok(answer(question)));
    browser.open(&served.url, 400, false);
    browser.wait("td:has-text('onerror')");
    let mut elements = BTreeSet::new();
    let mut look = |browser: &mut Browser, place: &str| {
        assert_eq!(browser.eval("window.hit ?? null"), Value::Null, "{place}: a script ran");
        let found = browser.eval("[...document.querySelectorAll('#app img[src=x], #app script, #app a[href^=javascript], [onclick], [onerror]')].map((e) => e.outerHTML)");
        assert_eq!(found, json!([]), "{place}: markup became elements");
        elements.insert(place.to_owned());
        browser.shot(&format!("evil-{place}"));
    };
    look(&mut browser, "fleet");
    for (page, there, opens) in PAGES {
        browser.place(&format!("#/app/evil/{page}"));
        browser.wait(there);
        browser.click(opens);
        browser.wait("text=onerror >> nth=0");
        look(&mut browser, page);
    }
    browser.click(".operation button.primary");
    browser.wait(".answer");
    look(&mut browser, "answer");
    browser.click("li:has-text('begins-a-job') .operation-head");
    browser.click(".operation button.primary");
    browser.wait(".job:has-text('onerror')");
    look(&mut browser, "job");
    for (page, opens) in CHANGES {
        browser.place(&format!("#/app/evil/{page}"));
        browser.click(opens);
        browser.fill("dialog input:not([type=checkbox])", "a reason");
        browser.click("dialog footer button >> nth=1");
        browser.wait("dialog .note.ok");
        look(&mut browser, &format!("changed-{page}"));
        browser.click("dialog button:has-text('Close')");
        browser.wait_gone("dialog");
    }
    assert_eq!(elements.len(), PAGES.len() + CHANGES.len() + 3);
}
