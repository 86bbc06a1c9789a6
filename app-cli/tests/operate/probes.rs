//! `appctl health live`, `ready`, `startup`, `checks`: chooses the app, and asks over HTTP or RPC.

use std::sync::atomic::Ordering;

use app_metrics::Metrics;
use serde_json::json;

use crate::failures::unreachable;
use crate::fixture::{Fixture, Ran, appctl, run};

/// A command line without the variable `OP_CONTEXT`.
async fn without_context(fixture: &Fixture, args: &[&str]) -> Ran {
    let mut command = appctl(fixture.files.path(), args);
    command.env_remove("OP_CONTEXT");
    run(command).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_context_the_app_of_the_context_is_asked() {
    let fixture = Fixture::new().await;
    let file = fixture.files.path().join("contexts.json");
    let context = format!("{}#reader", file.display());
    for by in [&["--context", &context][..], &[]] {
        let text = fixture.run(&[&["health", "live", "ready", "startup"], by].concat()).await.printed();
        assert_eq!(text, "alive\nready\nstarted\n");
        let ran = fixture.run(&[&["health", "checks"], by].concat()).await.harmless();
        assert!(ran.stdout.contains("loop (0x8d): healthy"), "{ran:?}");
    }
    fixture.fake.not_ready.store(true, Ordering::SeqCst);
    let ran = fixture.run(&["health", "ready", "live"]).await.harmless();
    assert_eq!(ran.status, Some(6), "{ran:?}");
    assert!(
        ran.stdout.starts_with("not ready\n  service mail failed") && ran.stdout.ends_with("alive\n"),
        "{ran:?}"
    );
    let ran = fixture.run(&["health", "ready", "--wait", "300ms"]).await.harmless();
    assert_eq!(ran.status, Some(6), "{ran:?}");
    fixture.app.stop().await.expect_clean();
    // An app that is gone is not ready, even if another app listens on this machine.
    let gone = appctl(fixture.files.path(), &["health", "ready", "--timeout", "5s"]);
    let ran = run(gone).await.harmless();
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_an_address_it_is_asked_over_http_whatever_context_is_set() {
    let fixture = Fixture::new().await;
    let address = fixture.app.get::<Metrics>().bound_address().unwrap().port();
    let address = format!("127.0.0.1:{address}");
    assert_eq!(fixture.run(&["health", "live", "--address", &address]).await.printed(), "alive\n");
    let (_socket, unreachable) = unreachable();
    let unreachable = unreachable.to_string();
    let over_http = |ran: Ran| {
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("does not answer"), "{ran:?}");
    };
    over_http(without_context(&fixture, &["health", "live", "--address", &unreachable]).await);
    let mut command = fixture.appctl(&["health", "live"]);
    command.env("OP_HEALTH_ADDRESS", &unreachable);
    over_http(run(command).await);
    let mut command = appctl(fixture.files.path(), &["health", "live", "--address", &unreachable]);
    command.env("OP_CONTEXT", "");
    over_http(run(command).await);
    fixture.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_that_contradict_each_other_are_refused() {
    let fixture = Fixture::new().await;
    let (_socket, unreachable) = unreachable();
    let unreachable = unreachable.to_string();
    let both = ["health", "ready", "--context", "contexts.json", "--address", &unreachable];
    let said = fixture.run(&both).await.refused(2);
    assert!(said.starts_with("--address asks over HTTP, --context over RPC"), "{said}");
    for flag in [["--address", &unreachable], ["--wait", "1s"], ["--timeout", "1s"]] {
        let said = fixture.run(&["health", flag[0], flag[1]]).await.refused(2);
        assert!(said.contains(" is for a question; name a question (live, ready"), "{said}");
    }
    for wrong in [&["health", "check"][..], &["health", "live", "list"], &["health", "list", "ready"]] {
        assert_eq!(fixture.run(wrong).await.status, Some(2), "{wrong:?}");
    }
    let checks = fixture.run(&["health", "--json"]).await.object();
    assert_eq!(checks["checks"][0]["paused_since"], json!(null));
    fixture.app.stop().await.expect_clean();
}
