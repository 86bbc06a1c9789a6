//! `appctl events`: events as they happen, after a lost connection, and up to the end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{HOSTILE, STOPPING};
use crate::fixture::{Fixture, eventually, object};

/// The fake app has no operations.
const OLD: &str = "-- this app is older than this command: events before now are not shown\n";

/// A running `appctl events`, read line by line.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn start(fixture: &Fixture, args: &[&str]) -> Self {
        let mut child = fixture.appctl(args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line. Empty at the end.
    async fn line(mut self) -> (Self, String) {
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            (self, line)
        });
        tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap().unwrap()
    }

    async fn object(self) -> (Self, Value) {
        let (following, line) = self.line().await;
        (following, object(line.trim_end()))
    }

    /// The exit status and the standard error.
    async fn ended(mut self) -> (Option<i32>, String) {
        let waiting = tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            (self.child.wait().unwrap().code(), said.replace(OLD, ""))
        });
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap()
    }

    fn interrupt(&self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_shown_until_it_is_interrupted() {
    let fixture = Fixture::new().await;
    fixture.fake.happen(&["it runs", HOSTILE], 0);
    fixture.fake.happen(&["later"], 7);
    let following = Following::start(&fixture, &["events", "--follow"]);
    let (following, first) = following.line().await;
    assert_eq!(first, "2026-01-01T00:00:00.000Z  service_started         quota: it runs\n");
    let (following, second) = following.line().await;
    assert!(second.ends_with("\\u{1b}[2J\\u{1b}]0;pwned\\u{7}\\u{202e}\\nforged line\n"), "{second}");
    let (following, missed) = following.line().await;
    assert_eq!(missed, "-- missed 7 events: they came faster than they were read\n");
    let (following, later) = following.line().await;
    assert!(later.ends_with("quota: later\n"));
    // As timeout(1) does: to the process, and then to its group.
    following.interrupt();
    following.interrupt();
    let (status, said) = following.ended().await;
    assert_eq!(status, Some(0));
    assert!(said.starts_with("-- connected to 127.0.0.1:") && said.ends_with("instance 0x1a57\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_for_programs_is_an_object_and_the_last_says_that_the_app_stops() {
    let fixture = Fixture::new().await;
    fixture.fake.happen(&[HOSTILE], 2);
    let following = Following::start(&fixture, &["events", "-f", "--json"]);
    let (following, connected) = following.object().await;
    assert_eq!((&connected["type"], &connected["instance"]), (&json!("connected"), &json!("0x1a57")));
    let (following, missed) = following.object().await;
    assert_eq!(missed, json!({ "type": "missed", "count": 2 }));
    let (following, event) = following.object().await;
    let expected = json!({
        "type": "event", "number": null, "at": "2026-01-01T00:00:00.000Z", "kind": "service_started", "event_id": "0xe0",
        "service": "0xce1f", "service_name": "quota", "health_check": null, "health_check_name": null,
        "message": HOSTILE,
    });
    assert_eq!(event, expected);
    fixture.fake.happen(&[STOPPING], 0);
    fixture.fake.over.store(true, Ordering::SeqCst);
    let (following, stopping) = following.object().await;
    assert_eq!(stopping["message"], STOPPING);
    let (following, stopped) = following.object().await;
    assert_eq!(stopped, json!({ "type": "stopped" }));
    assert_eq!(following.ended().await, (Some(0), String::new()));
}

/// An app that stops answers waiting calls and accepts no more. A client with a single waiting call would miss the last event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_takes_no_further_call_still_says_that_it_stops() {
    let fixture = Fixture::new().await;
    fixture.fake.stops.store(true, Ordering::SeqCst);
    let following = Following::start(&fixture, &["events", "-f", "--json"]);
    let (following, connected) = following.object().await;
    assert_eq!(connected["type"], "connected");
    let waiting = || fixture.fake.waiting.load(Ordering::SeqCst);
    eventually("two calls wait", || waiting() == 2).await;
    fixture.fake.happen(&["it runs"], 0);
    let (following, event) = following.object().await;
    assert_eq!(event["message"], "it runs");
    fixture.fake.happen(&[STOPPING], 0);
    let (following, stopping) = following.object().await;
    assert_eq!(stopping["message"], STOPPING);
    let (following, stopped) = following.object().await;
    assert_eq!(stopped, json!({ "type": "stopped" }));
    assert_eq!(following.ended().await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_whose_rpc_server_alone_stops_is_followed_further() {
    let fixture = Fixture::new().await;
    fixture.fake.over.store(true, Ordering::SeqCst);
    let following = Following::start(&fixture, &["events", "-f", "--json"]);
    let (following, connected) = following.object().await;
    assert_eq!(connected["type"], "connected");
    let (following, lost) = following.object().await;
    assert_eq!(lost["type"], "disconnected");
    fixture.fake.over.store(false, Ordering::SeqCst);
    let (mut following, mut next) = following.object().await;
    while next["type"] == "disconnected" {
        (following, next) = following.object().await;
    }
    assert_eq!((&next["type"], &next["same"]), (&json!("reconnected"), &json!(true)));
    fixture.fake.happen(&["it goes on"], 0);
    while next["type"] != "event" {
        (following, next) = following.object().await;
    }
    assert_eq!(next["message"], "it goes on");
    following.interrupt();
    assert_eq!(following.ended().await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_follow_it_ends_by_itself() {
    let fixture = Fixture::new().await;
    fixture.fake.happen(&["one", "two", "three"], 0);
    let text = fixture.run(&["events", "--count", "2", "--json"]).await;
    assert_eq!((text.status, text.stdout.lines().count()), (Some(0), 3), "{text:?}");
    let none = fixture.run(&["events", "--for", "300ms"]).await;
    assert_eq!((none.status, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.starts_with(OLD), "{none:?}");
    let said = fixture.run(&["events", "--no-follow"]).await.refused(1);
    assert!(said.contains("keeps no events; use --follow, or --for TIME"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_lost_is_made_again_and_an_app_that_is_gone_is_told() {
    let fixture = Fixture::new().await;
    let following = Following::start(&fixture, &["events", "-f", "--json", "--reconnect", "3s"]);
    let (following, connected) = following.object().await;
    assert_eq!(connected["type"], "connected");
    // The app ends without an event.
    let Fixture { app, .. } = fixture;
    app.stop().await.expect_clean();
    let (following, lost) = following.object().await;
    assert_eq!(lost["type"], "disconnected", "{lost}");
    let (status, said) = following.ended().await;
    assert_eq!(status, Some(3));
    assert!(object(said.trim_end())["error"].as_str().unwrap().contains("connection refused"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_said_that_it_stops_is_not_looked_for() {
    let fixture = Fixture::new().await;
    fixture.fake.happen(&[STOPPING], 0);
    let following = Following::start(&fixture, &["events", "-f", "--json"]);
    let (following, _) = following.object().await;
    let (following, stopping) = following.object().await;
    assert_eq!(stopping["message"], STOPPING);
    let Fixture { app, .. } = fixture;
    app.stop().await.expect_clean();
    let (following, stopped) = following.object().await;
    assert_eq!(stopped, json!({ "type": "stopped" }));
    assert_eq!(following.ended().await, (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_comes_back_is_followed_again() {
    let fixture = Fixture::new().await;
    let following = Following::start(&fixture, &["events", "-f", "--json"]);
    let (following, _) = following.object().await;
    let endpoint = fixture.app.service(crate::fixture::ENDPOINT).unwrap();
    endpoint.kill("a new incarnation is wanted");
    let (following, lost) = following.object().await;
    assert_eq!(lost["type"], "disconnected", "{lost}");
    following.interrupt();
    assert_eq!(following.ended().await.0, Some(0), "also while it connects again");
}
