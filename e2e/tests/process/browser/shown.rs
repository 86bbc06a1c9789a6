//! How the page shows what apps answer: units, sources of values, and answers that are old.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::SeqCst},
};

use app_dashboard::{Problem, ProblemKind, Question};
use serde_json::{Value, json};

use super::{
    answers::{instance, serve, usual},
    driver::Browser,
};

const METRICS: &str = "\
# HELP op_e105d0909fcc5ec5_cd4260d6e89ad9c6 health_healthcheck_run_duration: How long the last run took, in nanoseconds.
# TYPE op_e105d0909fcc5ec5_cd4260d6e89ad9c6 gauge
op_e105d0909fcc5ec5_cd4260d6e89ad9c6{svc=\"e105d0909fcc5ec5\"} 2500000
# HELP op_10_1 orders_wait_seconds: Waiting.
# TYPE op_10_1 gauge
op_10_1{svc=\"10\"} 0.25
# HELP op_10_2 orders_seconds_left_in_queue: Orders.
# TYPE op_10_2 gauge
op_10_2{svc=\"10\"} 7
# HELP op_e5fd6a364d10d023_3 messaging_leads: 1 or 0.
# TYPE op_e5fd6a364d10d023_3 gauge
op_e5fd6a364d10d023_3{svc=\"e5fd6a364d10d023\"} 1
# HELP op_53056b9052ac5986_4 tracing_queue: Spans.
# TYPE op_53056b9052ac5986_4 gauge
op_53056b9052ac5986_4{svc=\"53056b9052ac5986\"} 1
";

#[test]
fn a_metric_is_shown_in_its_unit_and_with_its_owner() {
    let Some(mut browser) = Browser::start() else { return };
    let served = serve(
        || vec![instance("shop")],
        |question| match question {
            Question::Metrics => Ok(json!({ "text": METRICS })),
            question => Ok(usual(question)),
        },
    );
    browser.open(&served.url, 1280, false);
    browser.place("#/app/shop/metrics");
    for (name, shown) in [
        ("health_healthcheck_run_duration", "3ms"),
        ("orders_wait_seconds", "250ms"),
        ("orders_seconds_left_in_queue", "7"),
    ] {
        browser.wait(&format!(".chart:has(h3:text-is('{name}')) .legend b:text-is('{shown}')"));
    }
    assert_eq!(browser.count(".chart"), 5);
    browser.select(".filters select", "own");
    browser.wait_gone(".chart:has-text('messaging_leads')");
    assert_eq!(browser.count(".chart"), 2, "the rest is of the platform");
}

#[test]
fn a_value_of_a_config_has_its_source_and_its_time() {
    let Some(mut browser) = Browser::start() else { return };
    let served = serve(
        || vec![instance("shop")],
        |question| match question {
            Question::Call(call) if call.name == "show" => {
                let field = json!({ "path": "--orders-limit", "value": "9", "source": "flag", "from": "ORDERS_LIMIT", "since_millis": 1 });
                Ok(json!({ "services": [
                    { "id": "0x10", "name": "orders", "file": null, "since_millis": 1, "fields": [field], "left_out": 12 },
                ] }))
            }
            question => Ok(usual(question)),
        },
    );
    browser.open(&served.url, 1280, false);
    browser.place("#/app/shop/config");
    browser.wait("tr:has-text('--orders-limit'):has-text('ORDERS_LIMIT') time[datetime^='1970-01-01']");
    browser.wait("text=12 more fields are not shown");
}

/// What the app does in the test below.
const FIRST: u8 = 0;
const LOST: u8 = 1;
const SECOND: u8 = 2;
const NOT_LISTED: u8 = 3;

fn living(state: u8, question: &Question) -> Result<Value, Problem> {
    if state == LOST {
        return Err(Problem::new(ProblemKind::NotReached, "host:1: connection refused"));
    }
    let mut answer = usual(question);
    match question {
        Question::Identity => answer["instance"] = json!(format!("0x{state}")),
        Question::Call(call) if call.name == "logs" => {
            let items: Vec<_> = (1..=2)
                .filter(|_| !call.arguments["after"].is_u64())
                .map(|number| json!({ "number": number, "level": "info", "message": format!("said by {state}") }))
                .collect();
            answer = json!({ "items": items, "next": 2, "missed": 0 });
        }
        _ => {}
    }
    Ok(answer)
}

#[test]
fn an_app_that_is_lost_restarted_and_taken_off_the_list_is_shown_as_such() {
    let Some(mut browser) = Browser::start() else { return };
    let state = Arc::new(AtomicU8::new(FIRST));
    let (lists, answers) = (Arc::clone(&state), Arc::clone(&state));
    let served = serve(
        move || if lists.load(SeqCst) == NOT_LISTED { vec![] } else { vec![instance("shop")] },
        move |question| living(answers.load(SeqCst), question),
    );
    browser.open(&served.url, 1280, false);
    browser.wait("td:has-text('1 of 1 running')");
    browser.place("#/app/shop/log");
    browser.wait(".line:has-text('said by 0') >> nth=1");
    state.store(LOST, SeqCst);
    browser.wait(".app-head .chip:has-text('Unreachable')");
    browser.place("#/");
    browser.wait("td:has-text('were 1 of 1 running')");
    browser.wait("td:has-text('were 1 of 1 healthy')");
    browser.place("#/app/shop/log");
    state.store(SECOND, SeqCst);
    browser.wait(".missed:has-text('Another process of the app begins here')");
    browser.wait(".line:has-text('said by 2') >> nth=1");
    let rows =
        browser.eval("[...document.querySelectorAll('.tail > *')].map((e) => e.className.split(' ')[0])");
    assert_eq!(rows, json!(["line", "line", "missed", "line", "line"]));
    state.store(NOT_LISTED, SeqCst);
    browser.wait(".note.bad:has-text('no longer lead to this instance')");
    browser.wait(".app-head .chip:has-text('Gone')");
    browser.expect_no_problems("a life");
}

/// The answers of an app with a consumer, to a caller with this role. Fails to answer while it is lost.
fn messages(state: u8, role: &str, question: &Question) -> Result<Value, Problem> {
    match question {
        Question::Call(call) if call.name == "consumers" && state == LOST => {
            Err(Problem::new(ProblemKind::Refused, "the servers do not answer"))
        }
        Question::Call(call) if call.name == "consumers" => {
            Ok(json!({ "consumers": [{ "consumer": "packer", "runs_here": true }], "streams": [] }))
        }
        Question::Call(call) if call.name == "whoami" => Ok(json!({ "names": ["me"], "role": role })),
        question => Ok(usual(question)),
    }
}

#[test]
fn a_look_at_messages_that_fails_leaves_an_open_dialog() {
    let Some(mut browser) = Browser::start() else { return };
    let state = Arc::new(AtomicU8::new(FIRST));
    let now = Arc::clone(&state);
    let served =
        serve(|| vec![instance("shop")], move |question| messages(now.load(SeqCst), "operate", question));
    browser.open(&served.url, 1280, false);
    browser.wait("tbody tr .chip:has-text('Ready')");
    browser.place("#/app/shop/messages");
    browser.click("button[aria-label='Pause packer']");
    browser.fill("dialog input", "half a reason");
    state.store(LOST, SeqCst);
    browser.wait(".note.bad:has-text('the servers do not answer')");
    assert_eq!(browser.count("dialog[open]"), 1);
    assert_eq!(browser.eval("document.querySelector('dialog input').value"), "half a reason");
    browser.wait("tr:has-text('packer')");
}

#[test]
fn a_reader_of_messages_sees_which_role_is_missing() {
    let Some(mut browser) = Browser::start() else { return };
    let served = serve(|| vec![instance("shop")], |question| messages(FIRST, "read", question));
    browser.open(&served.url, 400, false);
    browser.wait("tbody tr .chip:has-text('Ready')");
    browser.place("#/app/shop/messages");
    browser.wait("tr:has-text('packer') .lacks:has-text('needs role operate, you have read')");
    browser.shot("messages-reader");
}
