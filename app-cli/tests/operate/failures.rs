//! Apps that are not reached, do not answer, or refuse: the error text and the exit status.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::files::Files;
use crate::fixture::{ENDPOINT, Fixture, appctl, eventually, object, run};

/// An address without a listener. A socket that is bound but does not listen holds the port.
pub(crate) fn unreachable() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_not_there_is_told_at_once_with_its_address() {
    let (_held, address) = unreachable();
    let files = Files::new();
    files.contexts(&address.to_string(), ENDPOINT);
    let said = run(appctl(files.path(), &["status"])).await.refused(3);
    assert!(said.starts_with(&format!("{address}: connection refused: nothing listens there; ")), "{said}");
    let ran = run(appctl(files.path(), &["kill", "-r", "x", "--json"])).await;
    let said = object(&ran.refused(3));
    assert_eq!(said["status"], 3);
    assert!(said["error"].as_str().unwrap().contains("connection refused"), "{said}");
    let unknown = ["status", "--address", "no.such.host.invalid:1", "--timeout", "20s"];
    let said = run(appctl(files.path(), &unknown)).await.refused(3);
    assert!(said.starts_with("no.such.host.invalid:1: the host is unknown: "), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_address_that_answers_is_asked() {
    let (_held, dead) = unreachable();
    let fixture = Fixture::new().await;
    let status = fixture.run(&["status", "--json"]).await.object();
    let alive = status["address"].as_str().unwrap().to_owned();
    let both = fixture.run(&["status", "--json", "--address", &format!("{dead},{alive}")]).await.object();
    assert_eq!(both["address"], alive);
    let none = fixture.run(&["status", "--address", &format!("{dead},{dead}")]).await.refused(3);
    assert_eq!(none.matches("connection refused").count(), 2, "{none}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_waited_for_no_longer_than_the_deadline() {
    // The kernel accepts the connection, and no program reads from it.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let files = Files::new();
    files.contexts(&silent.local_addr().unwrap().to_string(), ENDPOINT);
    let begun = Instant::now();
    let said = run(appctl(files.path(), &["status", "--timeout", "300ms"])).await.refused(3);
    assert!(said.contains("no answer within ") || said.contains("no connection within"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20));

    let fixture = Fixture::new().await;
    fixture.fake.silent.store(true, Ordering::SeqCst);
    // A call that reads has changed nothing. A call that changes something may have done so.
    let said = fixture.run(&["status", "--timeout", "3s"]).await.refused(3);
    assert!(said.contains(": no answer: no answer by the deadline"), "{said}");
    let said = fixture.run(&["health", "run", "loop", "-r", "x", "--timeout", "3s"]).await.refused(4);
    assert!(said.contains(": no answer, and it may have been done: "), "{said}");
}

/// Whether this process and its children ignore interrupts. A shell makes its background jobs ignore them.
fn interrupts_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (nix::sys::signal::Signal::SIGINT as u32 - 1) & 1 == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_it_at_once_and_without_a_word() {
    if interrupts_are_ignored() {
        eprintln!("SKIPPED: interrupts are ignored here, as in a background job of a shell");
        return;
    }
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let files = Files::new();
    files.contexts(&silent.local_addr().unwrap().to_string(), ENDPOINT);
    for args in [&["status"][..], &["kill", "-r", "x", "--wait"], &["metrics", "--timeout", "1h"]] {
        let child = appctl(files.path(), args).spawn().unwrap();
        let accepting = silent.try_clone().unwrap();
        let (taken, _) = tokio::task::spawn_blocking(move || accepting.accept()).await.unwrap().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await.unwrap().unwrap();
        // A shell shows this as exit status 130.
        assert_eq!(output.status.signal(), Some(2), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}: {output:?}");
        drop(taken);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_the_app_is_not_asked() {
    let fixture = Fixture::new().await;
    let again = Files::new();
    fixture.files.put("again.pem", again.ca().as_bytes(), 0o644);
    let said = fixture.run(&["status", "--ca", "again.pem"]).await.refused(3);
    assert!(
        said.contains(
            "is not signed with the key that is trusted here; the authority in again.pem may have been replaced"
        ),
        "{said}"
    );
    let other = Files::of("another authority");
    fixture.files.put("other.pem", other.ca().as_bytes(), 0o644);
    let said = fixture.run(&["status", "--ca", "other.pem"]).await.refused(3);
    assert!(said.contains("is of no authority in other.pem"), "{said}");
    let said = fixture.run(&["status", "--app-id", "0xa1"]).await.refused(3);
    assert!(said.contains("is not that of d0_a1_a5d07e1c3b94f826"), "{said}");
    // The app refuses a client of another authority.
    for name in ["admin.pem", "admin.key"] {
        let content = std::fs::read(other.path().join(name)).unwrap();
        fixture.files.put(&format!("other-{name}"), &content, 0o400);
    }
    let flags = ["status", "--cert", "other-admin.pem", "--key", "other-admin.key"];
    let said = fixture.run(&flags).await.refused(3);
    let why =
        "the app does not accept certificate other-admin.pem: it is of no authority that is trusted there";
    assert!(said.contains(why), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_was_revoked_is_told_on_either_side() {
    let fixture = Fixture::with(|files| files.crl_with("operator")).await;
    let said = fixture.run_as("operator", &["status"]).await.refused(3);
    let operator = fixture.files.path().join("operator.pem").display().to_string();
    assert!(
        said.contains(&format!("the app does not accept certificate {operator}: it was revoked")),
        "{said}"
    );
    fixture.run_as("reader", &["status"]).await.printed();
    // A revocation list of the client that does not revoke the server.
    fixture.files.put("crl.pem", fixture.files.crl_with("operator").as_bytes(), 0o644);
    fixture.run(&["status", "--crl", "crl.pem"]).await.printed();
    fixture.files.put("crl.pem", Files::of("another authority").crl_with("admin").as_bytes(), 0o644);
    let said = fixture.run(&["status", "--crl", "crl.pem"]).await.refused(3);
    assert!(said.contains("the context needs a list of every authority"), "{said}");
    fixture.files.put("crl.pem", b"nothing", 0o644);
    let said = fixture.run(&["status", "--crl", "crl.pem"]).await.refused(78);
    let expected =
        "revocation list crl.pem: must be revocation lists in PEM: it has no line -----BEGIN X509 CRL-----";
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_too_low_is_told_with_the_one_it_takes() {
    let fixture = Fixture::new().await;
    let denied: [(&str, &[&str], &str); 7] = [
        ("reader", &["kill", "-r", "x"], "admin"),
        ("operator", &["kill", "-r", "x"], "admin"),
        ("reader", &["reload", "-r", "x"], "operate"),
        ("reader", &["restart", "mail", "-r", "x"], "operate"),
        ("reader", &["level", "set", "debug", "-r", "x"], "operate"),
        ("reader", &["health", "pause", "loop", "-r", "x"], "operate"),
        ("reader", &["stacks"], "operate"),
    ];
    for (client, args, role) in denied {
        let said = fixture.run_as(client, args).await.refused(5);
        assert!(said.contains(&format!("needs the role {role}")), "{said}");
    }
    fixture.run_as("reader", &["status"]).await.printed();
    fixture.run_as("operator", &["reload", "-r", "x"]).await.printed();
    let said = object(&fixture.run_as("reader", &["kill", "-r", "x", "--json"]).await.refused(5));
    assert_eq!(said["status"], json!(5));
    assert_eq!(fixture.fake.calls(), ["reload: x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_a_usage_error_before_anybody_is_asked() {
    let files = Files::new();
    let long = "x".repeat(1025);
    let cases: [&[&str]; 14] = [
        &["kill"],
        &["kill", "--reason", ""],
        &["kill", "--reason", &long],
        &["kill", "-r", "x", "--drain-delay", "2h"],
        &["restart", "-r", "x"],
        &["level", "set", "loud", "-r", "x"],
        &["level", "set", "debug", "--for", "0s", "-r", "x"],
        &["level", "--json", "set", "debug", "-r", "x"],
        &["health", "show"],
        &["health", "live", "list"],
        &["status", "--timeout", "soon"],
        &["status", "--address", "nowhere"],
        &["events", "--follow", "--for", "1s"],
        &["context"],
    ];
    for args in cases {
        let ran = run(appctl(files.path(), args)).await;
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_is_killed_can_be_waited_for() {
    let Fixture { app, fake, files } = Fixture::new().await;
    let mut command = appctl(files.path(), &["kill", "-r", "release", "--wait=30s", "--json"]);
    let waiting = tokio::task::spawn_blocking(move || command.output());
    eventually("it was told", || !fake.calls().is_empty()).await;
    app.stop().await.expect_clean();
    let killed = crate::fixture::Ran::of(waiting.await.unwrap().unwrap()).object();
    assert_eq!(killed["gone"], json!(true));

    // An app that does not stop.
    let fixture = Fixture::new().await;
    let said = fixture.run(&["kill", "-r", "x", "--wait=200ms"]).await.refused(4);
    assert!(said.contains("was told to stop, and is still there after 200ms"), "{said}");
}
