//! An app that answers markup and scripts in each text: the page shows them as text, and runs nothing.

use std::{collections::BTreeSet, sync::Arc};

use app_core::{prelude::ServiceId, testing::TestApp};
use app_dashboard::{Answer, AppLink, Apps, Asked, Bound, Instance, Problem, Question, loopback};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::driver::Browser;

/// What an attacker puts into each text.
const EVIL: &str = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'><a href='javascript:window.hit=1'>x</a>\" onclick=\"window.hit=1\" {{hit}} ${window.hit=1}";

struct Evil;

impl Apps for Evil {
    fn list(&self) -> Asked<'_, Result<Vec<Instance>, Problem>> {
        let instance =
            Instance { key: "evil".to_owned(), context: EVIL.to_owned(), address: EVIL.to_owned() };
        Box::pin(async { Ok(vec![instance]) })
    }

    fn connect<'a>(&'a self, _: &'a Instance, _: Instant) -> Asked<'a, Result<Arc<dyn AppLink>, Problem>> {
        Box::pin(async { Ok(Arc::new(Self) as Arc<dyn AppLink>) })
    }
}

impl AppLink for Evil {
    fn is_connected(&self) -> bool {
        true
    }

    fn ask(&self, question: Question, _: Instant) -> Asked<'_, Answer> {
        Box::pin(async move { Ok(answer(&question)) })
    }

    fn close(&self) -> Asked<'_, ()> {
        Box::pin(async {})
    }
}

fn operation(service_name: &str, name: &str) -> Value {
    json!({ "service": "0x1", "service_name": service_name, "name": name, "about": EVIL, "role": "read", "effect": "reads" })
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
        Question::Services => json!({ "services": [{
            "id": EVIL, "name": EVIL, "state": EVIL, "reason": EVIL, "restarts": 1, "deaths": 1, "planned_stops": 1,
            "restart_policy": EVIL, "last_failure": EVIL, "last_failure_at": EVIL, "uptime_seconds": 1.0,
            "start_seconds": 0.1, "tasks": 1, "level": EVIL, "needs": [EVIL, "__proto__"], "config_note": EVIL,
        }] }),
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
            operation(EVIL, EVIL),
        ] }),
        Question::Describe { .. } => json!({
            "operation": operation(EVIL, EVIL), "results": {},
            "arguments": { "type": "object", "properties": {
                EVIL: { "type": "string", "description": EVIL, "default": EVIL },
                "choice": { "enum": [EVIL], "description": EVIL },
                "__proto__": { "type": "boolean", "description": EVIL },
            } },
        }),
        Question::Call(call) => match call.name.as_str() {
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
            _ => json!({ "items": [{ EVIL: EVIL }, { "constructor": EVIL }], "next": EVIL }),
        },
        _ => json!({ "notes": [EVIL], "outcome": EVIL }),
    }
}

/// Each page, something that is there when the page is, and what a click opens.
const PAGES: [(&str, &str, &str); 7] = [
    ("services", ".node", ".node"),
    ("health", ".check", "summary"),
    ("metrics", ".chart", ".chart h3"),
    ("log", ".line", ".line summary"),
    ("events", ".line", ".line"),
    ("config", ".card:has-text('Files')", ".card"),
    ("operations", ".operation-head", ".operation-head"),
];

#[test]
fn markup_and_scripts_of_an_app_are_shown_as_text() {
    let Some(mut browser) = Browser::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (url, app) = runtime.block_on(async {
        let app = TestApp::empty().await;
        let service = app.new_service(ServiceId::new(7), "dashboard");
        let bound = Bound::to(loopback("127.0.0.1:0").unwrap()).await.unwrap();
        let url = bound.url(&bound.tokens().renew().unwrap());
        let serving = service.clone();
        service.spawn("serves", async move { bound.serve(&serving, Arc::new(Evil)).await }).unwrap();
        (url, app)
    });
    browser.open(&url, 400, false);
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
    assert_eq!(elements.len(), PAGES.len() + 2);
    drop(app);
}
