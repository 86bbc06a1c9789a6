//! `appctl do` with the real admin interface.

use std::io::Write as _;
use std::process::Stdio;

use app_core::operations::Secret;
use app_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fixture::{Ran, appctl, run};
use crate::real::{Real, STORE};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Size {
    Small,
    VeryLarge,
}

/// What to put.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Put {
    /// Name of the value.
    entry: String,
    max_keys: Option<u8>,
    size: Option<Size>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    dry: bool,
    of: Option<ServiceId>,
    /// Password of the store.
    password: Option<Secret<String>>,
    inner: Option<Inner>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Inner {
    x: u8,
}

#[derive(Serialize, JsonSchema)]
struct Done {
    put: Put,
    password_bytes: Option<usize>,
}

async fn put(args: Args<Put>) -> Result<Done, Error> {
    let put = args.into_inner();
    let password_bytes = put.password.as_ref().map(|password| password.expose().len());
    Ok(Done { put, password_bytes })
}

#[derive(Deserialize, JsonSchema)]
struct How {
    how: Option<String>,
}

async fn pack(job: Job, args: Args<How>) -> Result<u64, Error> {
    job.progress(1, Some(2), "half");
    match args.how.as_deref() {
        Some("fail") => Err(errors::BUG.error(STORE).message("disk full").build()),
        Some("hang") => std::future::pending().await,
        _ => Ok(7),
    }
}

async fn wipe(caller: Caller) -> Result<Vec<String>, Error> {
    Ok(caller.names)
}

app_core::operation! { of: STORE, name: "put", role: Operate, effect: Changes, about: "Stores a value.", run: put }
app_core::operation! { of: STORE, name: "get", role: Read, effect: Reads, about: "Shows a value.", run: put }
app_core::operation! { of: STORE, name: "pack", role: Operate, effect: Changes, about: "Packs.", run: pack, job: true }
app_core::operation! { of: STORE, name: "wipe", role: Admin, effect: Destroys, about: "Wipes.", run: wipe }

async fn act(real: &Real, args: &[&str]) -> Ran {
    real.run(&[&["do"], args].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operations_are_listed_with_the_role_that_each_needs() {
    let real = Real::new().await;
    let table = act(&real, &[]).await.printed();
    assert!(table.contains("store") && table.contains("wipe") && table.contains("cancel-job"), "{table}");
    let listed = act(&real, &["store", "--json"]).await.object();
    let names: Vec<_> =
        listed["operations"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["get", "pack", "put", "wipe"]);
    let wipe = &listed["operations"][3];
    assert_eq!(
        (&wipe["service"], &wipe["role"], &wipe["effect"], &wipe["job"], &wipe["may_call"]),
        (&json!("0x5707e00000000001"), &json!("admin"), &json!("destroys"), &json!(false), &json!(true))
    );
    // A reader sees what it may not call, and is denied when it does.
    let listed = act(&real, &["store", "--json", "--context", "#reader"]).await.object();
    let of_put = |one: &&Value| one["name"] == "put";
    assert_eq!(listed["operations"].as_array().unwrap().iter().find(of_put).unwrap()["may_call"], false);
    let table = act(&real, &["store", "--context", "#reader"]).await.printed();
    assert!(table.contains("operate (not yours)"), "{table}");
    let denied =
        act(&real, &["store", "put", "--entry", "k", "-r", "x", "--context", "#reader"]).await.refused(5);
    assert!(denied.contains("denied: store put needs the role operate"), "{denied}");
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_come_from_the_schema_and_the_result_is_printed() {
    let real = Real::new().await;
    let line = [
        "store",
        "put",
        "--entry",
        "k",
        "--max-keys",
        "255",
        "--size",
        "very-large",
        "--tags",
        "a",
        "--tags",
        "b",
        "--dry",
        "--of",
        "0xce1f",
        "--args",
        r#"{"inner":{"x":1}}"#,
        "--reason",
        "a test",
    ];
    let printed = act(&real, &[&line[..], &["--json"]].concat()).await.object();
    let put = json!({
        "entry": "k", "max_keys": 255, "size": "very-large", "tags": ["a", "b"], "dry": true, "of": "ce1f", "password": null,
        "inner": { "x": 1 },
    });
    assert_eq!(printed, json!({ "result": { "put": put, "password_bytes": null } }));
    let printed = act(&real, &line).await.printed();
    assert!(printed.contains("put.max_keys") && printed.contains("very-large"), "{printed}");
    // An operation that only reads needs no reason. The flags of all operations may stand first.
    let printed = real.run(&["do", "--json", "store", "get", "--entry=k"]).await.object();
    assert_eq!(printed["result"]["put"]["entry"], "k");
    let help = act(&real, &["store", "put", "--help"]).await.printed();
    for says in [
        "Stores a value.",
        "--entry <TEXT>",
        "Name of the value.",
        "small, very-large",
        "--password-file <PATH>",
        "Role: operate",
    ] {
        assert!(help.contains(says), "{says}: {help}");
    }
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_comes_from_a_file_or_from_standard_input_only() {
    let real = Real::new().await;
    let line = ["do", "store", "put", "--entry", "k", "-r", "a test", "--json", "--password-file", "-"];
    let mut command = appctl(real.files.path(), &line);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hunter2\n").unwrap();
    let ran = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let printed = Ran::of(ran).object();
    assert_eq!(printed["result"]["password_bytes"], 7);
    let file = real.files.path().join("password");
    std::fs::write(&file, "hunter22").unwrap();
    let line =
        ["store", "put", "--entry", "k", "-r", "a test", "--json", "--password-file", file.to_str().unwrap()];
    assert_eq!(act(&real, &line).await.object()["result"]["password_bytes"], 8);
    for line in [
        &["store", "put", "--entry", "k", "-r", "x", "--password", "hunter2"][..],
        &["store", "put", "--entry", "k", "-r", "x", "--args", r#"{"password":"hunter2"}"#],
    ] {
        let refused = act(&real, line).await.refused(2);
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    assert!(!real.app.captured().text().contains("hunter2"));
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_says_what_is_wrong_and_calls_nothing() {
    let real = Real::new().await;
    for (line, status, says) in [
        (&["store", "put", "--entry", "k"][..], 2, "--reason: "),
        (&["store", "put", "--reason", "x"], 2, "--entry"),
        (&["store", "put", "--entry", "k", "-r", "x", "--max-keys", "256"], 2, "is more than 255"),
        (&["store", "put", "--entry", "k", "-r", "x", "--size", "tiny"], 2, "is none of small, very-large"),
        (&["store", "put", "--entry", "k", "-r", "x", "--of", "quota"], 2, "is no id"),
        (&["store", "wipe", "-r", "x"], 2, "--yes: "),
        (&["store", "put", "-r", "x", "--args", "{}"], 1, "arguments.entry: missing field"),
        (
            &["store", "put", "-r", "x", "--args", r#"{"enrty":1}"#],
            1,
            "arguments.enrty: unknown field; did you mean entry?",
        ),
        (
            &["store", "put", "-r", "x", "--args", r#"{"entry":"k","inner":{"x":256}}"#],
            1,
            "arguments.inner.x: ",
        ),
        (&["store", "puts"], 1, "did you mean put?"),
        (&["stoer"], 1, "did you mean store"),
        (&["--entry", "k", "store", "put"], 2, "--entry: "),
        (&["store", "put", "--entry", "k", "-r", "x", "--timeout", "0"], 2, "timeout"),
    ] {
        let refused = act(&real, line).await;
        assert_eq!(refused.status, Some(status), "{refused:?}");
        assert!(refused.harmless().stderr.contains(says), "{says}");
    }
    let confirmed = act(&real, &["store", "wipe", "-r", "x", "-y", "--json"]).await.object();
    assert!(confirmed["result"].as_array().is_some_and(|names| !names.is_empty()), "{confirmed}");
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_waited_for_or_left_alone() {
    let real = Real::new().await;
    let done = act(&real, &["store", "pack", "-r", "x", "--json"]).await.object();
    assert_eq!(done["result"], 7);
    let failed = act(&real, &["store", "pack", "--how", "fail", "-r", "x"]).await.refused(1);
    assert!(failed.contains("failed: disk full"), "{failed}");
    let begun =
        act(&real, &["store", "pack", "--how", "hang", "-r", "x", "--no-wait", "--json"]).await.object();
    let id = begun["job"].as_str().unwrap().to_owned();
    let late = act(&real, &["store", "pack", "--how", "hang", "-r", "x", "--timeout", "1s"]).await.refused(4);
    assert!(late.contains("appctl do app job --id"), "{late}");
    let job = act(&real, &["app", "job", "--id", &id, "--json"]).await.object();
    assert_eq!(
        (&job["result"]["state"], &job["result"]["progress"]["text"]),
        (&json!("running"), &json!("half"))
    );
    let cancelled = act(&real, &["app", "cancel-job", "--id", &id, "-r", "x", "--json"]).await.object();
    assert_eq!(cancelled["result"], json!({ "cancelled": true, "state": "cancelled" }));
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_id_calls_once() {
    let real = Real::new().await;
    let line = ["store", "pack", "-r", "x", "--no-wait", "--json", "--request-id", "release-7"];
    let first = act(&real, &line).await.object();
    assert_eq!(act(&real, &line).await.object(), first);
    let other = act(&real, &["store", "pack", "--how", "fail", "-r", "x", "--request-id", "release-7"])
        .await
        .refused(1);
    assert!(other.contains("requestId: belongs to another call"), "{other}");
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_without_operations_is_too_old() {
    let fixture = crate::fixture::Fixture::new().await;
    let refused = run(appctl(fixture.files.path(), &["do"])).await.refused(1);
    assert!(refused.contains("this application is too old for operations"), "{refused}");
}
