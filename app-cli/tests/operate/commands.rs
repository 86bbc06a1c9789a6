//! Every command, as text and as JSON, with an app that answers.

use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::fake::{HOSTILE, THEN};
use crate::fixture::Fixture;

const AT: &str = "2026-01-01T00:00:00.000Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_who_it_is_and_whether_it_is_ready() {
    assert_eq!(THEN, 1_767_225_600_000, "{AT}");
    let fixture = Fixture::new().await;
    let text = fixture.run(&["status"]).await.printed();
    for said in [
        "app       quota-app\\u{1b}[2J",
        " 1.2.3, on platform 0.1.0\n",
        "state     ready\n",
        "uptime    1d 2h (since 2026-01-01T00:00:00.000Z)\n",
        "services  2 running of 4\n",
        "checks    1 healthy of 2, 1 unhealthy\n",
        "tasks     12\n",
        "ids       domain 0xd0, app 0xa0, release 0x7e1ea5e000000001\n",
        "instance  0x1a57, process 4711 on machine\n",
    ] {
        assert!(text.contains(said), "{said:?} in {text}");
    }
    let status = fixture.run(&["status", "--json"]).await.object();
    assert_eq!(status["name"], format!("quota-app{HOSTILE}"));
    assert_eq!((&status["ready"], &status["reasons"]), (&json!(true), &json!([])));
    assert_eq!((&status["instance"], &status["release"]), (&json!("0x1a57"), &json!("0x7e1ea5e000000001")));
    assert_eq!((&status["started_at"], &status["uptime_seconds"]), (&json!(AT), &json!(93784.0)));
    assert_eq!(status["services"], json!({ "total": 4, "running": 2, "failed": 1 }));
    let checks = json!({ "total": 2, "healthy": 1, "unhealthy": 1, "unknown": 0, "paused": 0 });
    assert_eq!((&status["health_checks"], &status["tasks"]), (&checks, &json!(12)));

    fixture.fake.not_ready.store(true, Ordering::SeqCst);
    let text = fixture.run(&["status"]).await.printed();
    assert!(text.contains("not ready: service mail failed\\u{1b}"), "{text}");
    let asked = fixture.run(&["status", "--ready"]).await.harmless();
    assert_eq!((asked.status, asked.stdout), (Some(6), text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_an_app_that_is_too_old_to_list_its_endpoints_has_the_rest() {
    let fixture = Fixture::new().await;
    fixture.fake.is_old.store(true, Ordering::SeqCst);
    let text = fixture.run(&["status"]).await.printed();
    assert!(text.contains("state     ready\n") && !text.contains("endpoints"), "{text}");
    let status = fixture.run(&["status", "--json"]).await.object();
    assert_eq!((&status["ready"], &status["endpoints"]), (&json!(true), &json!([])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_listed_and_one_is_shown_and_restarted() {
    let fixture = Fixture::new().await;
    let text = fixture.run(&["services"]).await.printed();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].starts_with("NAME   ID      STATE     UPTIME  RESTARTS  TASKS  REASON"), "{text}");
    assert!(lines[2].starts_with("quota  0xce1f  running   1d 1h   0         3"), "{text}");
    assert!(
        lines[1].starts_with("mail   0xbeef  failed    -       2         3      no route\\u{1b}[2J"),
        "{text}"
    );
    let services = fixture.run(&["services", "--json"]).await.object();
    assert_eq!(services["services"].as_array().unwrap().len(), 4);
    let mail = &services["services"][0];
    assert_eq!((&mail["id"], &mail["state"]), (&json!("0xbeef"), &json!("failed")));
    assert_eq!((&mail["uptime_seconds"], &mail["last_failure_at"]), (&Value::Null, &json!(AT)));
    assert_eq!(mail["reason"], format!("no route{HOSTILE}"));

    for wanted in ["quota", "0xce1f", "ce1f"] {
        let text = fixture.run(&["services", wanted]).await.printed();
        assert!(text.contains("needs     mail\n"), "{text}");
    }
    let said = fixture.run(&["services", "qouta"]).await.refused(1);
    assert_eq!(said, "no service \"qouta\"; did you mean quota (0xce1f)?");

    let text = fixture.run(&["restart", "mail", "--reason", "stuck"]).await.printed();
    assert_eq!(text, "mail (0xbeef) restarts\n");
    let object = fixture.run(&["restart", "0xbeef", "-r", "again", "--json"]).await.object();
    assert_eq!(object, json!({ "service": "0xbeef", "name": "mail", "restart": "decided", "notes": [] }));
    *fixture.fake.note_on_restart.lock().unwrap() = Some(format!("config is refused{HOSTILE}"));
    let noted = fixture.run(&["restart", "mail", "-r", "noted"]).await.harmless();
    assert_eq!((noted.status, noted.stdout.as_str()), (Some(0), "mail (0xbeef) restarts\n"));
    assert!(noted.stderr.starts_with("note: config is refused\\u{1b}"), "{noted:?}");
    *fixture.fake.note_on_restart.lock().unwrap() = None;
    assert_eq!(
        fixture.fake.calls(),
        ["restart 0xbeef: stuck", "restart 0xbeef: again", "restart 0xbeef: noted"]
    );
    let said = fixture.run(&["restart", "twin", "-r", "x"]).await.refused(1);
    assert_eq!(said, "2 services are called \"twin\": 0x10, 0x11; name one by its id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_are_listed_shown_run_and_paused() {
    let fixture = Fixture::new().await;
    let text = fixture.run(&["health"]).await.printed();
    assert_eq!(text, fixture.run(&["health", "list"]).await.printed());
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("NAME  ID    STATUS     CRITICAL  EVERY  LAST RUN"), "{text}");
    assert!(lines[1].starts_with("loop  0x8d  healthy    yes       5m 0s"), "{text}");
    assert!(lines[2].ends_with("\\nforged line") && lines.len() == 3, "{text}");
    let checks = fixture.run(&["health", "list", "--json"]).await.object();
    let context = format!("{}#reader", fixture.files.path().join("contexts.json").display());
    let again = fixture.run(&["health", "--json", "--context", &context]).await.object();
    assert_eq!(again, checks);
    assert_eq!(checks["checks"][1]["problem"], format!("failed: full{HOSTILE}"));
    assert_eq!(checks["checks"][0]["groups"], json!(["readiness"]));

    let text = fixture.run(&["health", "show", "disk"]).await.printed();
    for said in ["check       disk (0x8e)\n", "CHANGED AT", "unhealthy after 1 failures", "1.500ms", "passed"]
    {
        let said = if said == "1.500ms" { "1ms" } else { said };
        assert!(text.contains(said), "{said:?} in {text}");
    }
    let history = fixture.run(&["health", "show", "0x8e", "--json"]).await.object();
    assert_eq!(history["results"][0]["error"], format!("full{HOSTILE}"));
    assert_eq!(history["results"][1]["duration_seconds"], 0.0015);
    assert_eq!(history["transitions"][0]["to"], "unhealthy");

    let passed = fixture.run(&["health", "run", "loop", "-r", "why not"]).await.printed();
    assert_eq!(passed, "loop (0x8d) passed in 1ms\n");
    let failed = fixture.run(&["health", "run", "disk", "-r", "fixed?", "--json"]).await.harmless();
    let run: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((failed.status, &run["passed"], &run["outcome"]), (Some(6), &json!(false), &json!("failed")));

    let paused = fixture.run(&["health", "pause", "loop", "-r", "noon"]).await.printed();
    assert_eq!(paused, "loop (0x8d) is paused\n");
    let resumed = fixture.run(&["health", "resume", "loop", "-r", "over", "--json"]).await.object();
    let expected = json!({ "health_check": "0x8d", "name": "loop", "paused": false, "changed": false });
    assert_eq!(resumed, expected);
    let calls = ["run 0x8d: why not", "run 0x8e: fixed?", "pause 0x8d: noon", "resume 0x8d: over"];
    assert_eq!(fixture.fake.calls(), calls);
    let said = fixture.run(&["health", "show", "lop"]).await.refused(1);
    assert_eq!(said, "no health check \"lop\"; did you mean loop (0x8d)?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn levels_are_shown_set_for_a_time_and_reset() {
    let fixture = Fixture::new().await;
    let text = fixture.run(&["level"]).await.printed();
    let expected =
        "OF       ID      LEVEL  FOR ANOTHER\nthe app          debug  9.5s\nmail     0xbeef  error\n";
    assert_eq!(text, expected);
    assert_eq!(text, fixture.run(&["level", "get"]).await.printed());
    let levels = fixture.run(&["level", "--json"]).await.object();
    assert_eq!(levels["app"], json!({ "level": "debug", "expires_in_seconds": 9.5 }));
    assert_eq!(levels["services"][0]["service"], "0xbeef");

    let set = ["level", "set", "DEBUG", "--for", "10s", "--reason", "bug 71"];
    assert_eq!(fixture.run(&set).await.printed(), "the app logs at debug for 10s\n");
    let set = ["level", "set", "warn", "-s", "mail", "-r", "loud", "--json"];
    let object = fixture.run(&set).await.object();
    assert_eq!(object, json!({ "service": "0xbeef", "level": "warn", "for_seconds": null }));
    // A service that does not exist yet.
    fixture.run(&["level", "set", "error", "-s", "0x77", "-r", "x"]).await.printed();
    fixture.run(&["level", "reset", "-r", "well"]).await.printed();
    fixture.run(&["level", "reset", "-s", "quota", "-r", "well"]).await.printed();
    assert_eq!(
        fixture.fake.calls(),
        [
            "set app Debug for 10000: bug 71",
            "set 0xbeef Warn for 0: loud",
            "set 0x77 Error for 0: x",
            "reset 0x0: well",
            "reset 0xce1f: well"
        ]
    );
    assert!(
        fixture
            .run(&["level", "set", "warn", "-s", "nobody", "-r", "x"])
            .await
            .refused(1)
            .contains("no service")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_come_whole_filtered_and_in_both_formats() {
    let fixture = Fixture::new().await;
    let text = fixture.run(&["metrics"]).await.printed();
    let expected = "# HELP op_1_2 Permits ß.\n# TYPE op_1_2 counter\nop_1_2{rule=\"a\u{fffd}b\"} 1\n# HELP up Up.\nup 1\n";
    assert_eq!(text, expected);
    assert_eq!(fixture.run(&["metrics", "--openmetrics"]).await.printed(), format!("{expected}# EOF\n"));
    assert_eq!(fixture.run(&["metrics", "--filter", "Up"]).await.printed(), "# HELP up Up.\nup 1\n");
    let object = fixture.run(&["metrics", "--json", "--filter", "up"]).await.object();
    assert_eq!(object, json!({ "format": "text", "text": "# HELP up Up.\nup 1\n" }));
    let whole = fixture.run(&["metrics", "--json"]).await.object();
    assert_eq!(whole["text"], expected.replace('\u{fffd}', "\u{1b}"));
    // This command asks no app.
    assert!(fixture.run(&["metrics", "--page"]).await.printed().contains("\n#"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stacks_reloads_and_kills_are_asked_for() {
    let fixture = Fixture::new().await;
    let text = fixture.run(&["stacks"]).await.printed();
    assert_eq!(text, "thread \"main\\u{1b}[31m\"\n   0: park\n");
    let object = fixture.run(&["stacks", "--json"]).await.object();
    assert_eq!(object, json!({ "text": "thread \"main\u{1b}[31m\"\n   0: park\n" }));

    let text = fixture.run(&["reload", "-r", "new rules"]).await.printed();
    let expected = "SERVICE  ID      FROM      OUTCOME\nquota    0xce1f  file      taken\nmail     0xbeef  defaults  unchanged\n";
    assert_eq!(text, expected);
    let bad = fixture.run(&["reload", "-r", "bad rules", "--json"]).await.harmless();
    assert_eq!(bad.status, Some(6));
    let bad: Value = serde_json::from_str(&bad.stdout).unwrap();
    assert_eq!(bad["configs"][1]["problem"], format!("relay: must be a host{HOSTILE}"));
    assert_eq!((&bad["configs"][1]["file"], &bad["configs"][1]["file_since"]), (&json!("gone"), &json!(AT)));
    let bad = fixture.run(&["reload", "-r", "bad rules"]).await.harmless();
    assert!(bad.stdout.contains("mail     0xbeef  a file that is gone  gone since 2026-01-01"), "{bad:?}");

    assert_eq!(fixture.run(&["configs"]).await.printed(), expected);
    fixture.fake.not_ready.store(true, Ordering::SeqCst);
    let gone = fixture.run(&["configs", "--json"]).await.harmless();
    assert_eq!(gone.status, Some(6));

    let killed =
        fixture.run(&["kill", "--reason", "release 7", "--drain-delay", "5s", "--json"]).await.object();
    assert_eq!((&killed["instance"], &killed["gone"]), (&json!("0x1a57"), &Value::Null));
    fixture.run(&["kill", "-r", "x", "--yes"]).await.printed();
    let calls = [
        "reload: new rules",
        "reload: bad rules",
        "reload: bad rules",
        "end after Some(5000): release 7",
        "end after None: x",
    ];
    assert_eq!(fixture.fake.calls(), calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_further_is_no_failure() {
    let fixture = Fixture::new().await;
    for args in [&["services"][..], &["metrics"], &["stacks"], &["events", "--json", "--follow"]] {
        let mut command = fixture.appctl(args);
        let ended = tokio::task::spawn_blocking(move || {
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            (child.wait().unwrap().code(), said)
        });
        fixture.fake.happen(&["one"], 0);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.unwrap().unwrap();
        // The fake app keeps no events, which is a note and no failure.
        let note = "-- this app is older than this command: events before now are not shown\n";
        let note = if args[0] == "events" { note } else { "" };
        assert_eq!(ended, (Some(0), note.to_owned()), "{args:?}");
    }
}
