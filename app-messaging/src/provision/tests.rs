//! Streams and consumers are provided, on the transport in this process.

use std::sync::Arc;

use super::*;
use crate::config::StreamStorage;
use crate::in_process::InProcess;
use crate::transport::{DeliverPolicy, WhenFull};
use crate::{Faults, MESSAGING_SERVICE_ID, Messaging};
use app_core::testing::TestApp;

const HOUR: Duration = Duration::from_secs(3_600);

fn wanted() -> StreamConfig {
    StreamConfig {
        name: "s".to_owned(),
        subjects: vec!["a.>".to_owned(), "b.>".to_owned()],
        max_age: HOUR,
        max_bytes: 1_000,
        max_messages: 0,
        duplicate_window: Duration::from_secs(120),
        storage: StreamStorage::File,
        replicas: 1,
        when_full: WhenFull::DropOldest,
        release: 5,
    }
}

fn inside() -> Arc<dyn Transport> {
    Arc::new(InProcess::new(Faults::default()))
}

async fn provided(
    found: Option<StreamConfig>,
    provisioning: Provisioning,
) -> (Result<(), String>, Option<StreamConfig>) {
    let transport = inside();
    if let Some(found) = found {
        transport.put_stream(found, false).await.unwrap();
    }
    let provided = stream(&*transport, &wanted(), provisioning).await.map_err(|error| error.to_string());
    (provided, transport.stream_info("s").await.ok().map(|info| info.config))
}

#[tokio::test(start_paused = true)]
async fn ensure_makes_what_is_missing_and_extends_what_is_there() {
    use Provisioning::Ensure;
    assert_eq!(provided(None, Ensure).await, (Ok(()), Some(wanted())));
    let narrow = StreamConfig {
        subjects: vec!["old.>".to_owned(), "a.>".to_owned()],
        max_age: HOUR / 2,
        max_bytes: 10,
        duplicate_window: Duration::from_secs(60),
        release: 4,
        ..wanted()
    };
    let all = ["old.>", "a.>", "b.>"].map(str::to_owned).to_vec();
    let extended = StreamConfig { subjects: all.clone(), ..wanted() };
    assert_eq!(provided(Some(narrow), Ensure).await, (Ok(()), Some(extended)));
}

#[tokio::test(start_paused = true)]
async fn nothing_shrinks_and_an_older_release_never_narrows() {
    for (max_age, max_bytes, release) in [(HOUR * 2, 2_000, 9), (Duration::ZERO, 0, 4)] {
        let wide = StreamConfig {
            max_age,
            max_bytes,
            replicas: 3,
            duplicate_window: Duration::from_secs(240),
            release,
            ..wanted()
        };
        assert_eq!(provided(Some(wide.clone()), Provisioning::Ensure).await, (Ok(()), Some(wide.clone())));
        assert_eq!(provided(Some(wide.clone()), Provisioning::Verify).await, (Ok(()), Some(wide)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_told_with_the_field_and_the_cure() {
    use Provisioning::{Ensure, Verify};
    let (refused, none) = provided(None, Verify).await;
    let told = refused.unwrap_err();
    assert_eq!(
        (told.as_str(), none),
        ("stream s: does not exist; make it, or set provision to ensure in the config of messaging", None)
    );
    let memory = StreamConfig { storage: StreamStorage::Memory, ..wanted() };
    for provisioning in [Ensure, Verify] {
        let told = provided(Some(memory.clone()), provisioning).await.0.unwrap_err();
        assert!(
            told.starts_with(
                "stream s: storage is memory, and the program needs file; no server changes it: set storage"
            ),
            "{told}"
        );
    }
    let refuses = StreamConfig { when_full: WhenFull::Refuse, ..wanted() };
    let told = provided(Some(refuses), Ensure).await.0.unwrap_err();
    assert!(told.contains("discard is new, and the program needs old; change it"), "{told}");
    for (found, expected) in [
        (StreamConfig { subjects: vec!["a.>".to_owned()], ..wanted() }, "subjects lack b.>; add them"),
        (
            StreamConfig { max_age: HOUR / 2, ..wanted() },
            "max_age is 30m, and the program needs 1h; raise it (nats stream edit --max-age), or set maxAgeSeconds in streams",
        ),
        (StreamConfig { max_bytes: 10, ..wanted() }, "max_bytes is 10, and the program needs 1000; raise it"),
        (
            StreamConfig { max_messages: 7, ..wanted() },
            "max_msgs is 7, and the program needs without limit; raise it",
        ),
        (StreamConfig { replicas: 0, ..wanted() }, "num_replicas is without limit, and the program needs 1"),
        (
            StreamConfig { duplicate_window: HOUR / 60, ..wanted() },
            "duplicate_window is 1m, and the program needs 2m; raise it",
        ),
    ] {
        let (told, left) = provided(Some(found.clone()), Verify).await;
        let told = told.unwrap_err();
        assert!(told.contains(expected), "{told}");
        assert_eq!(left, Some(found), "nothing changes");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_consumer_the_newer_release_decides() {
    let transport = inside();
    transport.put_stream(wanted(), false).await.unwrap();
    let config = |seconds, release| ConsumerConfig {
        name: "c".to_owned(),
        filter: Some("a.>".to_owned()),
        ack_wait: Duration::from_secs(seconds),
        max_ack_pending: 10,
        deliver: DeliverPolicy::All,
        release,
    };
    let provide = async |config: ConsumerConfig, provisioning| {
        let provided = consumer(&*transport, "s", &config, provisioning).await;
        let info = transport.consumer_info("s", "c").await;
        (provided.map_err(|error| error.to_string()), info.ok().map(|info| info.config.ack_wait.as_secs()))
    };
    let (missing, _) = provide(config(30, 5), Provisioning::Verify).await;
    assert!(missing.unwrap_err().contains("consumer c of stream s: does not exist; make it"));
    for (seconds, release, left) in [(30, 5, 30), (60, 6, 60), (30, 5, 60), (20, 6, 20)] {
        assert_eq!(provide(config(seconds, release), Provisioning::Ensure).await, (Ok(()), Some(left)));
    }
    let (differs, left) = provide(config(30, 7), Provisioning::Verify).await;
    assert!(differs.unwrap_err().contains("ack wait 20s and max ack pending 10, and the program needs 30s"));
    assert_eq!(left, Some(20));
    let other = ConsumerConfig { filter: None, ..config(30, 7) };
    let (differs, _) = provide(other, Provisioning::Ensure).await;
    assert!(differs.unwrap_err().contains("its filter is a.>, and the program needs all subjects; delete"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_missing_is_shown_and_made_again() {
    use app_core::prelude::*;
    const SHOP: ServiceId = ServiceId::new(0x61bb_0d3e_95d7_2f61);
    crate::message! {
        /// Of a stream that gets lost.
        pub(crate) struct Lost(quota_schema::quota_capnp::quota_rule::Owned);
        id: 0x71bc_1d4f_a5e8_3071, of: SHOP, name: "lost", kind: Stored
    }
    crate::stream! { pub(crate) LOSSES: id 0x81ef_4072_d81b_63a1, of: SHOP, name: "losses", stores: [Lost] }
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    let messaging = app.get::<Messaging>();
    let stream = crate::wire::stream_name(app.domain(), LOSSES.id());
    let transport = messaging.transport();
    // The server lost it, and another program has a stream of its name that does not fit.
    let right = transport.stream_info(&stream).await.unwrap().config;
    transport.lose_stream(&stream);
    let wrong = StreamConfig { storage: StreamStorage::Memory, ..right.clone() };
    transport.put_stream(wrong, false).await.unwrap();
    messaging.context().streams.missed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let notes = app_health::notes(&app);
    assert!(
        notes.len() == 1 && notes[0].contains(&format!("stream {stream}: storage is memory")),
        "{notes:?}"
    );
    assert_eq!(app.captured().text().matches("a stream is not as the program needs it").count(), 1);
    transport.lose_stream(&stream);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(app_health::notes(&app).is_empty());
    assert_eq!(transport.stream_info(&stream).await.unwrap().config, right);
    // A sender that misses it has it looked for.
    transport.lose_stream(&stream);
    messaging.sender::<Lost>().send(|lost| lost.set_name("a")).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(5)).await;
    messaging.sender::<Lost>().send(|lost| lost.set_name("a")).await.unwrap();
}
