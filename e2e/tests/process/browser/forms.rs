//! Forms for operations: what they send, and what they show of the answer.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

use app_dashboard::{Answer, Call, Problem, ProblemKind, Question};
use serde_json::{Value, json};

use super::{
    answers::{Served, instance, operation, serve, usual},
    driver::Browser,
};

type Calls = Arc<Mutex<Vec<Call>>>;

/// The page of operations of an app with one operation more. `answer` answers its calls, which are kept.
fn open(
    browser: &mut Browser,
    more: Value,
    arguments: Value,
    answer: impl Fn(&Call) -> Answer + Send + Sync + 'static,
) -> (Served, Calls) {
    let calls = Calls::default();
    let kept = Arc::clone(&calls);
    let name = more["name"].as_str().unwrap().to_owned();
    let served = serve(
        || vec![instance("shop")],
        move |question| match question {
            Question::Operations => {
                let mut all = usual(question);
                all["operations"].as_array_mut().unwrap().push(more.clone());
                Ok(all)
            }
            Question::Describe { .. } => {
                Ok(json!({ "operation": more, "arguments": arguments, "results": {} }))
            }
            Question::Call(call) if ["whoami", "logs", "show"].contains(&call.name.as_str()) => {
                Ok(usual(question))
            }
            Question::Call(call) => {
                kept.lock().unwrap().push((**call).clone());
                answer(call)
            }
            question => Ok(usual(question)),
        },
    );
    browser.open(&served.url, 1280, false);
    browser.wait("tbody tr .chip:has-text('Ready')");
    browser.place("#/app/shop/operations");
    browser.click(&format!(".operation-head:has(b:text-is('{name}'))"));
    browser.wait(".operation button[class]");
    (served, calls)
}

fn last_arguments(browser: &mut Browser, calls: &Calls) -> Value {
    let before = calls.lock().unwrap().len();
    browser.click(".operation .buttons button");
    browser.wait(&format!(".answer:has-text('call {}')", before + 1));
    calls.lock().unwrap().last().unwrap().arguments.clone()
}

#[test]
fn a_form_sends_what_was_given_and_nothing_else() {
    let Some(mut browser) = Browser::start() else { return };
    let arguments = json!({ "type": "object", "required": ["must"], "properties": {
        "follow": { "type": "boolean", "default": true }, "must": { "type": "boolean" },
        "size": { "type": "integer" }, "flags": { "type": "array", "items": { "type": "boolean" } },
    } });
    let count = AtomicU64::new(0);
    let (_served, kept) = open(&mut browser, operation("orders", "tune", "reads"), arguments, move |_| {
        Ok(json!({ "said": format!("call {}", count.fetch_add(1, SeqCst) + 1) }))
    });
    let sent = |browser: &mut Browser| last_arguments(browser, &kept);
    assert_eq!(sent(&mut browser), json!({ "must": false }), "what may be left out is left out");
    browser.select("#field-follow", "false");
    browser.fill("#field-flags", "true\nfalse");
    assert_eq!(sent(&mut browser), json!({ "follow": false, "must": false, "flags": [true, false] }));
    browser.fill("#field-size", " ");
    browser.click(".operation .buttons button");
    browser.wait("#field-size-help:has-text('expected a whole number')");
    // The form does not have all that an operation may take.
    browser.click("button:has-text('Give all arguments as JSON')");
    browser.fill("#field-arguments", "[1]");
    browser.click(".operation .buttons button");
    browser.wait("#field-arguments-help:has-text('expected an object')");
    browser.fill("#field-arguments", r#"{ "other": 18446744073709551615 }"#);
    browser.click(".operation .buttons button");
    browser.wait("#field-arguments-help:has-text('too large')");
    browser.fill("#field-arguments", r#"{ "other": [{ "deep": 3 }] }"#);
    assert_eq!(sent(&mut browser), json!({ "other": [{ "deep": 3 }] }));
    browser.expect_no_problems("a form");
}

#[test]
fn arguments_that_are_no_fields_are_given_as_json() {
    let Some(mut browser) = Browser::start() else { return };
    let map = json!({ "type": "object", "additionalProperties": { "type": "integer" } });
    let (_served, calls) = open(&mut browser, operation("orders", "prices", "reads"), map, |_| {
        Ok(json!({ "items": [{ "said": "call 1" }], "next": null }))
    });
    browser.fill("#field-arguments", r#"{ "tea": 3 }"#);
    assert_eq!(last_arguments(&mut browser, &calls), json!({ "tea": 3 }));
    assert_eq!(browser.count("text=ask with after"), 0, "there is no other page");
}

#[test]
fn a_page_of_a_list_says_where_the_next_one_begins() {
    let Some(mut browser) = Browser::start() else { return };
    let (_served, _calls) = open(&mut browser, operation("orders", "list", "reads"), json!({}), |_| {
        Ok(json!({ "items": [{ "said": "call 1" }], "next": 5 }))
    });
    browser.click(".operation .buttons button");
    browser.wait(".answer:has-text('ask with after 5')");
}

#[test]
fn a_job_is_shown_until_it_has_ended() {
    let Some(mut browser) = Browser::start() else { return };
    let mut compact = operation("orders", "compact", "reads");
    compact["job"] = json!(true);
    let ended = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&ended);
    let (_served, calls) = open(&mut browser, compact, json!({}), move |call| match call.name.as_str() {
        "job" if ends.load(SeqCst) => Ok(
            json!({ "state": "done", "progress": { "done": 8, "total": 8 }, "result": { "freed": "17 MB" } }),
        ),
        "job" => Ok(json!({ "state": "running", "progress": { "done": 3, "total": 8, "text": "table 3" } })),
        _ => Ok(json!({ "job": "0x77" })),
    });
    browser.click(".operation .buttons button");
    browser.wait(".job:has-text('0x77'):has-text('3 of 8 table 3') .chip:has-text('Running')");
    browser.wait(".job:has-text('cancel-job')");
    browser.shot("job");
    ended.store(true, SeqCst);
    browser.wait(".job:has-text('17 MB') .chip:has-text('Done')");
    let asked = calls
        .lock()
        .unwrap()
        .iter()
        .filter(|call| call.name == "job")
        .map(|call| call.arguments.clone())
        .next();
    assert_eq!(asked, Some(json!({ "id": "0x77" })));
}

#[test]
fn a_repeated_call_has_the_id_of_the_first_until_an_answer_is_known() {
    let Some(mut browser) = Browser::start() else { return };
    let lost = Arc::new(AtomicBool::new(true));
    let loses = Arc::clone(&lost);
    let (_served, calls) =
        open(&mut browser, operation("orders", "forget", "changes"), json!({}), move |_| {
            if loses.swap(false, SeqCst) {
                return Err(Problem::new(
                    ProblemKind::Unknown,
                    "no answer in time; a change may have been made",
                ));
            }
            Ok(json!({ "said": "forgotten" }))
        });
    browser.fill(".operation .field input", "a test");
    browser.click(".operation .buttons button");
    browser.wait(".operation .note.bad:has-text('may have been made')");
    browser.fill(".operation .field input", "a test again");
    browser.click(".operation .buttons button");
    browser.wait(".answer:has-text('forgotten')");
    browser.click(".operation .buttons button");
    browser.wait(".answer:has-text('forgotten')");
    let ids = crate::program::poll("three calls", || {
        let ids: Vec<_> = calls.lock().unwrap().iter().map(|call| call.request_id.clone()).collect();
        (ids.len() == 3).then_some(ids)
    });
    assert!(!ids[0].is_empty());
    assert_eq!(ids[0], ids[1], "the second one may not act again");
    assert_ne!(ids[1], ids[2], "the third one is meant");
}
