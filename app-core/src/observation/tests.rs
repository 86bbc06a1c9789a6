//! The operations of the app that show it to operators.

use std::time::Duration;

use app_ids::ServiceId;
use serde_json::{Value, json};

use crate::testing::{TestApp, runs};
use crate::{Service, info, warn};

const QUOTA: ServiceId = ServiceId::new(0xce1f);

async fn app() -> TestApp {
    TestApp::builder().service(runs(QUOTA, "quota")).start().await
}

async fn ask(app: &TestApp, name: &str, arguments: Value) -> Value {
    app.operation("app", name, arguments).await.unwrap_or_else(|error| panic!("{error:#}"))
}

async fn refusal(app: &TestApp, name: &str, arguments: Value) -> String {
    app.operation("app", name, arguments).await.unwrap_err().to_string()
}

fn messages(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_come_in_pages_without_gap_or_double() {
    let app = app().await;
    let all = ask(&app, "events", json!({})).await;
    let items = all["items"].as_array().unwrap();
    assert_eq!((&all["missed"], &all["next"]), (&json!(0), &json!(items.len())));
    assert_eq!(all["instance"], app.instance().hex());
    let starts = items.iter().find(|item| item["kind"] == "service_starting").unwrap();
    assert_eq!((&starts["service"], &starts["service_name"]), (&json!("0xce1f"), &json!("quota")));
    assert!(starts["at_millis"].as_u64().unwrap() > 1_600_000_000_000 && starts["event_id"].is_string());

    let (mut after, mut paged) = (json!(0), Vec::new());
    loop {
        let page = ask(&app, "events", json!({ "after": after, "limit": 1 })).await;
        let items = page["items"].as_array().unwrap().clone();
        if items.is_empty() {
            break;
        }
        assert_eq!(items.len(), 1);
        paged.extend(items);
        after = page["next"].clone();
    }
    assert_eq!(&paged, items);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn what_is_gone_is_counted_exactly() {
    let app = app().await;
    for _ in 0..1_200 {
        let made = Service::new(&app, ServiceId::new(7), "made").unwrap();
        app.register(&made).unwrap();
        app.unregister(&made).unwrap();
        made.kill("enough");
    }
    let page = ask(&app, "events", json!({ "limit": 1000 })).await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 1_000);
    assert_eq!(page["missed"].as_u64().unwrap() + 1, items[0]["number"].as_u64().unwrap());
    assert_eq!(page["next"], items[999]["number"]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_the_next_event_and_no_longer_than_it_says() {
    let app = app().await;
    let known = ask(&app, "events", json!({})).await["next"].clone();
    let begun = tokio::time::Instant::now();
    let none = ask(&app, "events", json!({ "after": known, "wait_millis": 2000 })).await;
    assert_eq!((messages(&none).len(), &none["next"]), (0, &known));
    assert_eq!(begun.elapsed().as_secs(), 2);
    let (waits, comes) =
        tokio::join!(ask(&app, "events", json!({ "after": known, "wait_millis": 30_000 })), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            app.new_service(ServiceId::new(9), "nine")
        });
    assert_eq!(messages(&waits), ["registered"]);
    assert!((7..12).contains(&begun.elapsed().as_secs()));
    comes.kill("enough");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let app = app().await;
    for (name, arguments, said) in [
        ("events", json!({ "limit": 0 }), "arguments.limit: is 0; give 1 to 1000"),
        ("events", json!({ "limit": 1001 }), "arguments.limit: is 1001"),
        ("events", json!({ "wait_millis": 30_001 }), "arguments.wait_millis: is 30001; give at most 30000"),
        ("events", json!({ "after": 5000 }), "there is no event 5000 yet, the last one is "),
        ("events", json!({ "after": -1 }), "arguments.after"),
        ("events", json!({ "since": 1 }), "arguments.since"),
        (
            "logs",
            json!({ "level": "loud" }),
            "arguments.level: \"loud\" is no level; give debug, info, warn or error",
        ),
        (
            "logs",
            json!({ "service": "quotes" }),
            "arguments.service: no service \"quotes\"; there are app, quota",
        ),
        ("logs", json!({ "grep": "x".repeat(1025) }), "arguments.grep: has 1025 bytes; give at most 1024"),
        ("logs", json!({ "after": 500_000 }), "there is no record 500000 yet"),
    ] {
        let refused = refusal(&app, name, arguments.clone()).await;
        assert!(refused.contains(said), "{name} {arguments}: {refused}");
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn records_are_found_by_service_level_and_text() {
    let app = app().await;
    let log = app.service(QUOTA).unwrap().log().clone();
    info!(log, "granted"; "key" => "alice");
    warn!(log, "denied"; "key" => "bob", "n" => 4_141_414_141_u64);
    warn!(app.logger(), "of the app");
    let find = async |arguments: Value| {
        let page = ask(&app, "logs", arguments).await;
        messages(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(find(json!({ "service": "quota", "level": "warn" })).await, ["denied"]);
    assert_eq!(find(json!({ "service": "0xce1f", "grep": "alice" })).await, ["granted"]);
    assert_eq!(find(json!({ "grep": "4141414141" })).await, ["denied"]);
    assert_eq!(find(json!({ "service": "app", "level": "WARN" })).await, ["of the app"]);
    assert!(find(json!({ "grep": "nobody said this" })).await.is_empty());

    let page = ask(&app, "logs", json!({ "grep": "denied" })).await;
    let item = &page["items"][0];
    let told = (&item["level"], &item["service"], &item["service_name"], &item["record"]["key"]);
    assert_eq!(told, (&json!("warn"), &json!("0xce1f"), &json!("quota"), &json!("bob")));
    assert_eq!((&page["missed"], &page["dropped"]), (&json!(0), &json!(0)));
    // The next page begins behind all records that were looked at.
    let next = ask(&app, "logs", json!({ "after": page["next"], "grep": "denied" })).await;
    assert!(messages(&next).is_empty());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_page_of_records_has_a_limit_in_bytes() {
    let app = app().await;
    for n in 0..100 {
        info!(app.logger(), "{}", "x".repeat(10_000); "n" => n);
    }
    let page = ask(&app, "logs", json!({ "limit": 1000, "grep": "xxx" })).await;
    let found = page["items"].as_array().unwrap().len();
    assert!((10..30).contains(&found), "{found}");
    assert!(page.to_string().len() < 512 * 1024);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_page_of_events_has_a_limit_in_bytes_and_leaves_nothing_out() {
    let app = app().await;
    let seven = app.new_service(ServiceId::new(7), "seven");
    // More than a page, and less than the journal keeps.
    for _ in 0..400 {
        // Each character takes six bytes in JSON.
        app.app().journal().add_of_check(
            (app_ids::HealthCheckId::new(1), "c"),
            ("k", None),
            &"\u{1}".repeat(900),
        );
    }
    let (mut after, mut seen) = (json!(0), 0);
    loop {
        let page = ask(&app, "events", json!({ "after": after, "limit": 1000 })).await;
        assert!(page.to_string().len() < 1024 * 1024);
        let items = page["items"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        assert_eq!(page["missed"], 0);
        seen += items.len() as u64;
        after = page["next"].clone();
    }
    assert_eq!(
        (after, seen),
        (json!(app.app().journal().after(u64::MAX, 0).last), app.app().journal().after(u64::MAX, 0).last)
    );
    seven.kill("enough");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_stop_ends_a_wait() {
    let app = app().await;
    let known = ask(&app, "logs", json!({ "grep": "never said" })).await["next"].clone();
    let arguments = json!({ "after": known, "wait_millis": 30_000, "grep": "never said" });
    let waiting = ask(&app, "logs", arguments);
    let (page, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(20), waiting), async {
        app.app().kill(crate::StopCause::Killed("enough".to_owned()));
    });
    assert!(messages(&page.expect("it ends soon")).is_empty());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_caller_learns_its_role_and_what_it_may_do() {
    let app = app().await;
    let who = ask(&app, "whoami", json!({})).await;
    assert_eq!(
        (&who["names"], &who["role"], &who["may_not"]),
        (&json!(["test"]), &json!("admin"), &json!([]))
    );
    assert!(who["may"].as_array().unwrap().contains(&json!("app logs")), "{who}");
    assert_eq!(ask(&app, "graph", json!({})).await["services"][0]["name"], "quota");
    app.stop().await.expect_clean();
}
