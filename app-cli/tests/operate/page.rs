//! The operators' page `docs/APPCTL.md` is correct: it lists all keys, and its first steps work.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use app_config::CONFIG_SERVICE_ID;
use app_core::testing::TestApp;
use app_health::HEALTHCHECK_SERVICE_ID;
use app_metrics::METRICS_SERVICE_ID;
use app_rpc::admin::{APP_RPC_SERVICE_ID, AdminEndpoint};
use serde_json::Value;

use crate::fixture::{Fixture, Ran, run};

const PAGE: &str = include_str!("../../../docs/APPCTL.md");

/// Host of the app on the page.
const ON_THE_PAGE: &str = "127.0.0.1";

/// The blocks of shell commands.
fn scripts() -> Vec<&'static str> {
    PAGE.split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```\n").map(|(script, _)| script))
        .collect()
}

/// All keys of a value, at any depth.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// The rows of the tables that begin with this text.
fn rows(begin: &str) -> String {
    PAGE.lines()
        .filter(|line| line.starts_with('|') && line.contains(begin) && !line.contains("appctl"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_that_is_printed_stands_beside_its_command() {
    let fixture = Fixture::new().await;
    fixture.fake.happen(&["x"], 1);
    let lines = [
        "status",
        "services",
        "restart mail -r x",
        "health list",
        "health show loop",
        "health run loop -r x",
        "health pause loop -r x",
        "health resume loop -r x",
        "level",
        "level set debug -r x",
        "level reset -r x",
        "metrics",
        "stacks",
        "reload -r x",
        "configs",
        "kill -r x",
        "context list",
        "context show",
    ];
    for line in lines {
        let args: Vec<_> = line.split(' ').chain(["--json"]).collect();
        let object = fixture.run(&args).await.object();
        let words = if ["health", "level", "context"].contains(&args[0]) && args.len() > 2 { 2 } else { 1 };
        let mut known = rows(&format!("`{}`", args[..words].join(" ")));
        assert!(!known.is_empty(), "{line} has no row");
        known += &match args[0] {
            // The page describes a check under `health list`, and a result under `health show`.
            "health" => rows("| `health list`") + &rows("| `health show`"),
            // The keys of the file of contexts.
            "context" => {
                PAGE.lines()
                    .filter(|line| line.starts_with("| `") && line.contains("PEM"))
                    .collect::<String>()
                    + &rows("| `address`")
                    + &rows("| `domain`")
                    + &rows("| `service`")
            }
            _ => String::new(),
        };
        let mut found = BTreeSet::new();
        keys(&object, &mut found);
        for key in found {
            assert!(known.contains(&format!("`{key}`")), "{key} of {line}: {known}");
        }
    }
    let events = fixture.run(&["events", "--json", "--count", "1"]).await;
    assert_eq!(events.stdout.lines().count(), 3, "{events:?}");
    for line in events.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let row = rows(&format!("| `{}` |", line["type"].as_str().unwrap()));
        for key in line.as_object().unwrap().keys().filter(|key| *key != "type") {
            assert!(row.contains(&format!("`{key}`")), "{key}: {row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_says_to_do_from_nothing_works() {
    let folder = tempfile::tempdir().unwrap();
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_appctl")).parent().unwrap().to_owned();
    let script = |text: String| {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let mut sh = Command::new("sh");
        sh.args(["-e", "-c", &text]).current_dir(folder.path()).env_clear().env("PATH", path);
        sh.env("HOME", folder.path()).stdin(Stdio::null());
        run(sh)
    };
    let scripts = scripts();
    let made: Ran = script(scripts[0].to_owned()).await;
    assert_eq!(made.status, Some(0), "{made:?}");
    let builder = TestApp::builder().linked([
        APP_RPC_SERVICE_ID,
        METRICS_SERVICE_ID,
        CONFIG_SERVICE_ID,
        HEALTHCHECK_SERVICE_ID,
    ]);
    let name = "0xe49214fa20b35ba8";
    fs::copy(folder.path().join("config").join(name), builder.config_dir().join(name)).unwrap();
    let app = builder.start().await;
    let address = app.get::<AdminEndpoint>().address().unwrap().to_string();
    // The port that the app got, because tests use no fixed ports.
    let asked = script(scripts[1].replace(&format!("{ON_THE_PAGE}:44228"), &address)).await;
    assert_eq!(asked.status, Some(0), "{asked:?}");
    assert!(asked.stdout.contains("\nstate     ") && asked.stdout.contains(&address), "{asked:?}");
    let killed = script("appctl kill --reason 'that was it' --yes --wait".to_owned()).await;
    assert_eq!(killed.status, Some(0), "{killed:?}");
    assert!(app.stopped().await.cause.to_string().contains("that was it"));
}
