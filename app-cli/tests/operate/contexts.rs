//! `appctl context`, and the places of contexts.

use std::fs;

use serde_json::json;

use crate::files::Files;
use crate::fixture::{ENDPOINT, Fixture, appctl, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contexts_are_listed_shown_and_chosen() {
    let files = Files::new();
    files.contexts("192.0.2.1:65535", ENDPOINT);
    let text = run(appctl(files.path(), &["context", "list"])).await.printed();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].starts_with("*  admin     192.0.2.1:65535  0xd0    0xa0"), "{text}");
    let listed = run(appctl(files.path(), &["context", "list", "--json"])).await.object();
    assert_eq!((&listed["current"], listed["contexts"].as_array().unwrap().len()), (&json!("admin"), 3));

    let said = run(appctl(files.path(), &["context", "use", "reader"])).await.printed();
    assert!(said.starts_with("reader is the current context of "), "{said}");
    let shown = run(appctl(files.path(), &["context", "show", "--json"])).await.object();
    assert_eq!((&shown["name"], &shown["current"]), (&json!("reader"), &json!(true)));
    assert_eq!(shown["names"], json!(["reader.example"]));
    let text = run(appctl(files.path(), &["context", "show", "admin"])).await.printed();
    assert!(text.contains("you are      admin.example\n"), "{text}");
    let said = run(appctl(files.path(), &["context", "use", "nobody"])).await.refused(78);
    assert!(said.ends_with("has no context \"nobody\"; it has: admin, operator, reader"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_is_added_where_nothing_was_and_is_found_there() {
    let fixture = Fixture::new().await;
    let address = fixture.run(&["status", "--json"]).await.object()["address"].as_str().unwrap().to_owned();
    let home = tempfile::tempdir().unwrap();
    let in_home = |args: &[&str]| {
        let mut command = appctl(fixture.files.path(), args);
        command.env_remove("OP_CONTEXT").env("HOME", home.path());
        run(command)
    };
    let said = in_home(&["status"]).await.refused(78);
    let file = home.path().join(".config/appctl/contexts.json");
    assert!(said.starts_with(&format!(
        "no context: there is no file {}; add one with: appctl context add",
        file.display()
    )));

    let service = format!("{:#x}", ENDPOINT);
    let direct = ["--address", &address, "--domain-id", "0xd0", "--app-id", "0xa0", "--service-id", &service];
    let files = ["--ca", "ca.pem", "--cert", "admin.pem", "--key", "admin.key"];
    // Flags alone are enough.
    in_home(&[&["status"][..], &direct, &files].concat()).await.printed();

    let said = in_home(&[&["context", "add", "dev"][..], &direct, &files].concat()).await.printed();
    assert!(said.starts_with("dev was added to "), "{said}");
    in_home(&["status"]).await.printed();
    let said = in_home(&[&["context", "add", "dev"][..], &direct, &files].concat()).await.refused(1);
    assert!(said.ends_with("context \"dev\" exists already; use --replace to replace it"), "{said}");
    // A context that cannot be used is not added.
    let bad = ["--ca", "admin.key", "--cert", "admin.pem", "--key", "admin.key"];
    in_home(&[&["context", "add", "bad"][..], &direct, &bad].concat()).await.refused(78);
    assert!(!fs::read_to_string(&file).unwrap().contains("bad"));
    let text = in_home(&["context", "list"]).await.printed();
    assert!(text.lines().nth(1).unwrap().starts_with("*  dev"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_alone_is_of_the_file_that_is_set() {
    let fixture = Fixture::new().await;
    let run_with = |context: &str, args: &[&str]| {
        let mut command = appctl(fixture.files.path(), args);
        command.env("OP_CONTEXT", context);
        run(command)
    };
    // Relative paths start from the folder in which the command runs.
    for set in ["contexts.json", "./contexts.json#operator", "contexts.json#nobody"] {
        let shown = run_with(set, &["context", "show", "--context", "#reader", "--json"]).await.object();
        assert_eq!(shown["name"], "reader", "{set}");
        run_with(set, &["status", "--context", "#reader"]).await.printed();
    }
    let said = run_with("contexts.json", &["status", "--context", "#nobody"]).await.refused(78);
    assert_eq!(said, "contexts.json has no context \"nobody\"; it has: admin, operator, reader");
    for empty in ["#", "contexts.json#", ""] {
        let said = run_with("contexts.json", &["status", "--context", empty]).await.refused(2);
        assert!(said.ends_with("use FILE, FILE#NAME or #NAME"), "{said}");
    }
    let twice = ["status", "--context", "#reader", "--context", "#admin"];
    assert_eq!(run_with("contexts.json", &twice).await.status, Some(2));
    fixture.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_contexts_that_can_not_be_trusted_or_read_is_refused() {
    let files = Files::new();
    files.contexts("192.0.2.1:65535", ENDPOINT);
    let good = fs::read(files.path().join("contexts.json")).unwrap();
    let twice = r#"{ "contexts": { "a": {}, "a": {} } }"#;
    let twice_good = {
        let good: serde_json::Value = serde_json::from_slice(&good).unwrap();
        format!(r#"{{ "contexts": {{ "a": {0}, "a": {0} }} }}"#, good["contexts"]["admin"])
    };
    for (content, mode, reason) in [
        (&good[..], 0o606, "chmod o-w"),
        (b"\xff\xfe", 0o600, "not UTF-8"),
        (b"3", 0o600, "invalid type"),
        (b"", 0o600, "EOF"),
        (&b" ".repeat((1 << 20) + 1), 0o600, "has more than 1048576 bytes"),
        (twice.as_bytes(), 0o600, "missing field"),
        (twice_good.as_bytes(), 0o600, "twice"),
    ] {
        files.put("odd.json", content, mode);
        let said = run(appctl(files.path(), &["status", "--context", "odd.json"])).await.refused(78);
        assert!(said.contains("odd.json") && said.contains(reason), "{reason}: {said}");
    }
    let said = run(appctl(files.path(), &["status", "--context", "."])).await.refused(78);
    assert!(said.ends_with("is not a regular file"), "{said}");
    let said = run(appctl(files.path(), &["status", "--context", "none.json"])).await.refused(78);
    assert!(said.contains("there is no file none.json"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_others_may_read_is_not_used() {
    let fixture = Fixture::new().await;
    let key = fs::read(fixture.files.path().join("admin.key")).unwrap();
    let path = fixture.files.put("open.key", &key, 0o644);
    let said = fixture.run(&["status", "--key", "open.key"]).await.refused(78);
    assert_eq!(said, "key open.key can be read by other users (mode 0644); run chmod 400 open.key");
    drop(path);
}
