//! Several apps at once: all of a file, those of a group, and the ones that do not answer.

use std::fs;

use serde_json::{Value, json};

use crate::failures::unreachable;
use crate::fixture::{Fixture, object};

/// A file with the contexts `a` and `b` of two apps, `gone` of none, and groups.
fn contexts(fixture: &Fixture, a: &str, b: &str, gone: &str, groups: &str) {
    let context = |name: &str, address: &str| {
        format!(
            r#""{name}": {{ "address": "{address}", "domain": "0xd0", "app": "0xa0", "service": "{:#x}",
            "ca": "ca.pem", "cert": "admin.pem", "key": "admin.key" }}"#,
            crate::fixture::ENDPOINT
        )
    };
    let all = [context("a", a), context("b", b), context("gone", gone)].join(", ");
    let text = format!(r#"{{ "contexts": {{ {all} }}, "groups": {{ {groups} }}, "current": "a" }}"#);
    fs::write(fixture.files.path().join("contexts.json"), text).unwrap();
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(object).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_apps_are_in_one_table_and_one_that_does_not_answer_is_a_row() {
    let fixture = Fixture::new().await;
    let (other_app, other, other_address) = fixture.another().await;
    let (_socket, nobody) = unreachable();
    let (a, b) = (fixture.address().to_string(), other_address.to_string());
    contexts(&fixture, &a, &b, &nobody.to_string(), r#""pair": ["b", "a"], "most": ["pair", "gone"]"#);

    let ran = fixture.run(&["status", "--all"]).await.harmless();
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(3), ""), "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines.len() == 4 && lines[0].starts_with("INSTANCE  "), "{ran:?}");
    assert!(lines[1].starts_with(&format!("a@{a}  ")) && lines[1].contains("  ready "), "{ran:?}");
    assert!(lines[2].starts_with(&format!("b@{b}  ")), "{ran:?}");
    assert!(
        lines[3].starts_with(&format!("gone@{nobody}  ")) && lines[3].contains("  not reached  "),
        "{ran:?}"
    );

    let ran = fixture.run(&["status", "--group", "pair", "--json"]).await;
    let found = rows(&ran.stdout);
    assert_eq!((ran.status, found.len()), (Some(0), 2), "{ran:?}");
    assert_eq!(
        (&found[0]["context"], &found[0]["target"], &found[0]["ready"]),
        (&json!("b"), &json!(b), &json!(true))
    );

    // A group as the context means all of its apps, in the order of the group.
    for command in [&["services"][..], &["health", "list"], &["health"], &["services", "mail"]] {
        let line = [command, &["--json", "--context", "#most"]].concat();
        let ran = fixture.run(&line).await;
        let found = rows(&ran.stdout);
        let contexts: Vec<_> = found.iter().map(|row| row["context"].as_str().unwrap()).collect();
        assert_eq!(
            (ran.status, contexts.as_slice()),
            (Some(3), ["b", "a", "gone"].as_slice()),
            "{line:?}: {ran:?}"
        );
        assert!(
            found[2]["error"].as_str().unwrap().contains("connection refused") && found[2]["status"] == 3
        );
    }
    let table = fixture.run(&["health", "--all"]).await.harmless();
    assert!(table.stdout.lines().next().unwrap().starts_with("INSTANCE  "), "{table:?}");

    let listed = fixture.run(&["context", "list"]).await.printed();
    assert!(listed.ends_with("group most: pair, gone\ngroup pair: b, a\n"), "{listed}");

    // Of a named context, every address.
    let ran = fixture.run(&["status", "--all", "--context", "#b", "--json"]).await.printed();
    assert_eq!(rows(&ran).len(), 1);
    other.not_ready.store(true, std::sync::atomic::Ordering::SeqCst);
    let ran = fixture.run(&["status", "--ready", "--group", "pair"]).await;
    assert!(ran.status == Some(6) && ran.stdout.contains("not ready"), "{ran:?}");
    other_app.stop().await.expect_clean();
    fixture.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused() {
    let fixture = Fixture::new().await;
    let a = fixture.address().to_string();
    contexts(&fixture, &a, &a, &a, r#""pair": ["b", "a"]"#);
    let said = fixture.run(&["status", "--group", "pear"]).await.refused(78);
    assert!(said.ends_with("has no group \"pear\"; it has: pair"), "{said}");
    let said = fixture.run(&["kill", "-r", "x", "--yes", "--context", "#pair"]).await.refused(78);
    assert!(said.contains("\"pair\" is a group, and this command asks one app"), "{said}");
    let said = fixture.run(&["status", "--group", "pair", "--address", &a]).await.refused(2);
    assert!(said.contains("--address: names instances of one app"), "{said}");
    contexts(&fixture, &a, &a, &a, r#""one": ["two"], "two": ["one"]"#);
    for line in [&["status", "--group", "one"][..], &["status"], &["context", "list"]] {
        let said = fixture.run(line).await.refused(78);
        assert!(said.contains("group \"one\" contains itself: one -> two -> one"), "{said}");
    }
    assert_eq!(fixture.fake.calls(), [""; 0]);
    fixture.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_several_apps_have_the_app_in_front() {
    let fixture = Fixture::new().await;
    let (other_app, other, other_address) = fixture.another().await;
    let (a, b) = (fixture.address().to_string(), other_address.to_string());
    contexts(&fixture, &a, &b, &a, r#""pair": ["a", "b"]"#);
    fixture.fake.happen(&["of a"], 0);
    other.happen(&["of b"], 0);
    let ran = fixture.run(&["events", "--for", "2s", "--group", "pair"]).await.harmless();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(&format!("a@{a}  2026-01-01T00:00:00.000Z")), "{ran:?}");
    assert!(
        ran.stdout.lines().any(|line| line.starts_with(&format!("b@{b}  ")) && line.ends_with(": of b")),
        "{ran:?}"
    );
    other_app.stop().await.expect_clean();
    fixture.app.stop().await.expect_clean();
}
