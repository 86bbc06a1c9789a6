//! What operators see of a real app: events, records, configs, the graph, and themselves.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use app_core::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{Ran, appctl, object, run};
use crate::real::{Real, STORE};

fn objects(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(object).collect()
}

fn of_type<'a>(objects: &'a [Value], what: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["type"] == what).collect()
}

impl Real {
    /// Runs `appctl` as another client.
    async fn run_as(&self, client: &str, args: &[&str]) -> Ran {
        let context = format!("{}#{client}", self.files.path().join("contexts.json").display());
        let mut command = appctl(self.files.path(), args);
        command.env("OP_CONTEXT", context);
        run(command).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_before_anybody_looked_is_there_with_numbers_without_gaps() {
    let real = Real::new().await;
    real.ready().await;
    let ran = real.run(&["events", "--no-follow", "--json"]).await;
    let all = objects(&ran);
    assert_eq!((ran.status, &all[0]["type"]), (Some(0), &json!("connected")), "{ran:?}");
    let events = of_type(&all, "event");
    let numbers: Vec<_> = events.iter().filter_map(|event| event["number"].as_u64()).collect();
    let expected: Vec<_> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "from the first event of the process on, each once");
    let find = |kind: &str, service: Value| {
        events.iter().any(|event| event["kind"] == kind && event["service_name"] == service)
    };
    assert!(find("service_starting", json!("store")) && find("app_started", Value::Null), "{ran:?}");
    assert!(events.iter().any(|event| event["health_check_name"] == "disk"), "{ran:?}");

    let text = real.run(&["events", "--no-follow", "--count", "2"]).await;
    assert_eq!((text.status, text.stdout.lines().count()), (Some(0), 2), "{text:?}");
    assert!(text.stdout.starts_with("    1  20"), "{text:?}");
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_goes_on_where_the_journal_ends() {
    let real = Real::new().await;
    real.ready().await;
    let mut following =
        appctl(real.files.path(), &["events", "-f", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let (told, mut telling) = tokio::sync::mpsc::unbounded_channel();
    let reading = tokio::task::spawn_blocking(move || {
        while let Some(Ok(line)) = lines.next() {
            // Fails when the test has seen enough.
            let _ = told.send(object(&line));
        }
    });
    let mut numbers = Vec::new();
    let see = async |what: &str,
                     numbers: &mut Vec<u64>,
                     telling: &mut tokio::sync::mpsc::UnboundedReceiver<Value>| {
        let looking = async {
            loop {
                let line = telling.recv().await.expect("a line");
                assert_ne!(line["type"], "missed", "{line}");
                numbers.extend(line["number"].as_u64());
                if line["message"].as_str().is_some_and(|message| message.contains(what)) {
                    return;
                }
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), looking).await.is_ok(), "never: {what}");
    };
    see("the application is ready", &mut numbers, &mut telling).await;
    real.app.service(STORE).unwrap().kill("one");
    see("was killed: one", &mut numbers, &mut telling).await;
    let session = Service::new(&real.app, ServiceId::new(0x5e55), "session").unwrap();
    real.app.register(&session).unwrap();
    session.kill("three");
    see("was killed: three", &mut numbers, &mut telling).await;
    let expected: Vec<_> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "each event once, and none left out");
    following.kill().unwrap();
    following.wait().unwrap();
    reading.await.unwrap();
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_shown_by_service_level_and_text() {
    let real = Real::new().await;
    real.ready().await;
    let store = real.app.service(STORE).unwrap();
    app_core::info!(store.log(), "kept \"it\""; "where" => "on the disk", "n" => 7);
    app_core::warn!(real.app.logger(), "of the app itself");
    let ran =
        real.run(&["logs", "--service", "store", "--level", "info", "--grep", "on the disk", "--json"]).await;
    let all = objects(&ran);
    let records = of_type(&all, "record");
    assert_eq!((ran.status, records.len()), (Some(0), 1), "{ran:?}");
    let record = records[0];
    let told = (&record["service_name"], &record["level"], &record["message"], &record["record"]["n"]);
    assert_eq!(told, (&json!("store"), &json!("info"), &json!("kept \"it\""), &json!(7)));
    let text = real.run(&["logs", "-s", "app", "-l", "WARN"]).await;
    assert!(text.stdout.ends_with("warn   of the app itself\n"), "{text:?}");
    let text = real.run(&["logs", "-s", "store", "--grep", "on the disk"]).await;
    assert!(text.stdout.contains("info   store: kept \"it\", n: 7, where: on the disk\n"), "{text:?}");

    let said = real.run(&["logs", "--service", "stor"]).await;
    assert!(
        said.status == Some(1) && said.stderr.contains("no service \"stor\"; there are app, "),
        "{said:?}"
    );
    let said = real.run(&["logs", "--level", "loud"]).await;
    assert!(said.status == Some(2) && said.stderr.contains("debug, info, warn, error"), "{said:?}");
    let said = real.run_as("reader", &["logs"]).await;
    assert!(said.status == Some(5) && said.stderr.contains("operate"), "{said:?}");
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_followed_until_the_app_stops() {
    let real = Real::new().await;
    real.ready().await;
    let following =
        appctl(real.files.path(), &["logs", "-f", "--grep", "marked", "--reconnect", "1s"]).spawn().unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let mut following = following;
        let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        tell.send(first).unwrap();
        let _ = lines.count();
        following.wait().unwrap().code()
    });
    let logger = real.app.logger().clone();
    let logging = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            app_core::info!(logger, "marked");
        }
    });
    let first = tokio::time::timeout(Duration::from_secs(60), told).await.unwrap().unwrap();
    assert!(first.ends_with("info   marked"), "{first}");
    logging.abort();
    // It does not see the record of the stop, which has no such text, so it looks for the app until --reconnect is over.
    real.app.stop().await.expect_clean();
    let status = tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
    assert_eq!(status, Some(3), "the app is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_config_in_effect_is_shown_without_any_secret() {
    let real = Real::new().await;
    real.ready().await;
    let shown = real.run(&["config", "show", "rpc", "--json"]).await.object();
    let rpc = &shown["services"][0];
    assert_eq!((&rpc["name"], shown["services"].as_array().unwrap().len()), (&json!("rpc"), 1), "{shown}");
    let field = |path: &str| {
        let fields = rpc["fields"].as_array().unwrap();
        fields.iter().find(|field| field["path"] == path).unwrap_or_else(|| panic!("{path}: {rpc}"))
    };
    let key = field("serverCert.key");
    assert_eq!((&key["value"], &key["source"]), (&Value::Null, &json!("file")));
    assert!(key["secret"]["bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{key}");
    assert_eq!(field("bindAddress")["value"], "127.0.0.1");
    assert_eq!(
        (&field("grants[0].name")["value"], &field("maxConns")["source"]),
        (&json!("admin.example"), &json!("default"))
    );
    let text = real.run(&["config", "show"]).await.printed();
    assert!(
        text.contains("serverCert.key") && text.contains("set, ") && !text.contains("PRIVATE KEY"),
        "{text}"
    );
    let said = real.run(&["config", "show", "nosuch"]).await.refused(1);
    assert!(said.contains("no service \"nosuch\" with a config or a flag runs; there are "), "{said}");
    assert!(real.run_as("reader", &["config", "show"]).await.refused(5).contains("operate"));
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_graph_and_who_goes_along_with_a_restart() {
    let real = Real::new().await;
    real.ready().await;
    let text = real.run(&["graph"]).await.printed();
    assert!(text.contains("store (0x5707e00000000001)  running\n`- health"), "{text}");
    let dot = real.run(&["graph", "--dot"]).await.printed();
    assert!(dot.starts_with("digraph services {\n") && dot.contains("\"0x5707e00000000001\" -> "), "{dot}");
    let graph = real.run(&["graph", "--json"]).await.object();
    assert!(
        graph["services"].as_array().unwrap().iter().all(|service| service["state"] == "running"),
        "{graph}"
    );

    let along = real.run_as("reader", &["restart", "healthcheck", "--dry-run", "--json"]).await;
    let along = if along.status == Some(0) {
        along
    } else {
        real.run(&["restart", "health", "--dry-run", "--json"]).await
    };
    let along = along.object();
    let names: Vec<_> =
        along["stops"].as_array().unwrap().iter().map(|along| along["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"store") && names.len() >= 2, "{along}");
    assert_eq!(names.last().copied(), along["name"].as_str(), "the service itself stops last");
    assert_eq!(
        real.app.service_statuses().iter().map(|status| status.restarts).sum::<u64>(),
        0,
        "nothing restarts"
    );

    let done = real.run(&["restart", "store", "-r", "to see", "--wait", "--json"]).await.object();
    assert_eq!(done["restart"], "done");
    let status = real.app.service_statuses().into_iter().find(|status| status.id == STORE).unwrap();
    assert_eq!((status.restarts, status.state.as_str()), (1, "running"));
    let ran = real.run(&["restart", "store", "-r", "to see", "--wait=30s"]).await;
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(" runs again, after ") && ran.stderr.contains("-- store: "), "{ran:?}");
    let said = real.run(&["restart", "store"]).await;
    assert!(said.status == Some(2) && said.stderr.contains("--reason"), "{said:?}");
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_fails_is_told_with_its_reason() {
    let real = Real::new().await;
    real.ready().await;
    real.is_locked.store(true, std::sync::atomic::Ordering::SeqCst);
    let ran = real.run(&["restart", "store", "-r", "to see", "--wait"]).await.harmless();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(6), ""), "{ran:?}");
    let last = ran.stderr.lines().last().unwrap();
    assert!(last.starts_with("restart: store (0x5707e00000000001) did not start: "), "{ran:?}");
    assert!(last.contains("the store is locked"), "{ran:?}");
    // It stays down, so nothing is ready in time.
    let said = real.run(&["wait", "ready", "--for", "300ms"]).await.refused(7);
    assert!(said.contains("service store"), "{said}");
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_is_found_by_its_readable_name() {
    let real = Real::new().await;
    real.ready().await;
    let found = real.run(&["metrics", "--filter", "app_service_up"]).await.printed();
    let samples: Vec<_> = found.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(found.contains("# HELP op_0_a9adf58cee4a6143 app_service_up"), "{found}");
    let all_of_it = samples.iter().all(|line| line.starts_with("op_0_a9adf58cee4a6143{"));
    assert!(!samples.is_empty() && all_of_it, "{found}");
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_i_am_and_what_i_may_do() {
    let real = Real::new().await;
    real.ready().await;
    let admin = real.run(&["whoami", "--json"]).await.object();
    assert_eq!((&admin["names"], &admin["role"]), (&json!(["admin.example"]), &json!("admin")));
    let has = |who: &Value, list: &str, name: &str| who[list].as_array().unwrap().contains(&json!(name));
    assert!(has(&admin, "commands", "kill") && has(&admin, "may", "app logs"), "{admin}");
    let reader = real.run_as("reader", &["whoami", "--json"]).await.object();
    assert!(
        reader["role"] == "read" && !has(&reader, "commands", "restart") && has(&reader, "may", "app events")
    );
    assert!(
        has(&reader, "may_not", "app logs") || reader["may_not"].to_string().contains("app logs"),
        "{reader}"
    );
    let text = real.run_as("reader", &["whoami"]).await.printed();
    assert!(
        text.contains("role        read\n") && text.contains("not allowed: app logs: needs the role operate"),
        "{text}"
    );
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_when_it_is_so_and_when_the_time_is_over() {
    let real = Real::new().await;
    let ready = real.run(&["wait", "ready", "--for", "1m", "--json"]).await.object();
    assert_eq!((&ready["state"], ready["instance"].is_string()), (&json!("ready"), true), "{ready}");
    real.run(&["wait", "healthy", "--for", "1m"]).await.printed();
    let said = real.run(&["wait", "stopped", "--for", "500ms"]).await.refused(7);
    assert!(said.starts_with("not stopped within 500ms: it still runs"), "{said}");
    for wrong in [&["wait", "ready", "--for", "0"][..], &["wait", "soon"], &["wait"]] {
        let ran = real.run(wrong).await;
        assert_eq!(ran.status, Some(2), "{ran:?}");
    }
    real.disk_is_full.store(true, std::sync::atomic::Ordering::SeqCst);
    let ran = real.run(&["health", "run", "disk", "-r", "is it full?"]).await;
    assert_eq!(ran.status, Some(6), "{ran:?}");
    let said = real.run(&["wait", "ready", "--for", "300ms"]).await.refused(7);
    assert!(said.contains("not ready within 300ms: not ready: critical health check"), "{said}");

    let waiting = tokio::spawn(run(appctl(real.files.path(), &["wait", "stopped", "--for", "1m"])));
    let Real { app, .. } = real;
    app.stop().await.expect_clean();
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap().printed();
    assert!(waited.starts_with("stopped, after "), "{waited}");
}
