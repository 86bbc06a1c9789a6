//! The service on a real server, with its config in a file: what a user does, and what a reload does.

use app_metrics::testing::TestMetrics as _;
use schema::messaging_capnp::messaging_spec;

use super::*;
use crate::ids::CONNECTED;
use crate::suite::servers::{NatsProgram, NatsServer};
use crate::types::MessageType as _;

/// How long anything may take that has to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

fn put_config(folder: &std::path::Path, fill: impl FnOnce(messaging_spec::Builder<'_>)) {
    let mut message = capnp::message::Builder::new_default();
    fill(message.init_root());
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    // Whole at once, as a good editor does.
    let new = folder.join("new");
    std::fs::write(&new, file).unwrap();
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::rename(new, folder.join(app_config::compat::service_config_id(MESSAGING_SERVICE_ID))).unwrap();
}

pub(super) fn to(url: &str) -> impl Fn(messaging_spec::Builder<'_>) {
    let url = url.to_owned();
    move |spec| spec.init_servers(1).set(0, url.as_str())
}

pub(super) async fn app(
    fill: impl FnOnce(messaging_spec::Builder<'_>),
) -> (TestApp, Arc<Messaging>, Service) {
    let builder = TestApp::builder().linked([MESSAGING_SERVICE_ID]);
    put_config(builder.config_dir(), fill);
    of(builder.start().await)
}

pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let waits = async {
        while !is_so() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_events_and_requests_go_over_a_server() {
    for program in NatsProgram::all() {
        let server = program.start();
        let (app, messaging, service) = app(to(&server.url())).await;
        assert!(app_health::notes(&app).is_empty(), "{:?}", app_health::notes(&app));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let stored = Arc::clone(&seen);
        messaging
            .consumer("c")
            .of::<Paid>()
            .start(&service, move |paid| {
                let name = paid.read(|paid| Ok(paid.get_name()?.to_string()?)).unwrap();
                stored.lock().push(format!("stored {name}"));
                async { Ok(Done) }
            })
            .unwrap();
        let events = Arc::clone(&seen);
        messaging
            .subscriber::<Tick>()
            .start(&service, move |tick| {
                let name = tick.read(|tick| Ok(tick.get_name()?.to_string()?)).unwrap();
                events.lock().push(format!("event {name}"));
                async { Ok(()) }
            })
            .unwrap();
        messaging.responder::<Balance>().start(&service, |_| async { Ok(Answer::new(|_| ())) }).unwrap();
        // Streams and subscriptions are made in the background.
        let mut sent = 0;
        while sent < 3 {
            if let Ok(receipt) = messaging.sender::<Paid>().send(|paid| paid.set_name("a")).await {
                sent += 1;
                assert_eq!((&*receipt.stream, receipt.sequence), ("OP_d0_5261d708f9eacbb5", sent));
            }
        }
        until("consumed", || seen.lock().iter().filter(|one| *one == "stored a").count() == 3).await;
        let ticks = messaging.publisher::<Tick>();
        until("subscription", || {
            server.has_subscription(&subject(app.domain(), BANK, Tick::INFO.id(), None))
        })
        .await;
        ticks.publish(|tick| tick.set_name("b")).await.unwrap();
        until("event", || seen.lock().iter().any(|one| one == "event b")).await;
        until("responder", || {
            server.has_subscription(&subject(app.domain(), BANK, Balance::INFO.id(), None))
        })
        .await;
        messaging.ask::<Balance>(|_| ()).await.unwrap();
        app.stop().await.expect_clean();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_in_a_pause_run_side_by_side_after_it() {
    for program in NatsProgram::all() {
        let server = program.start();
        let (app, messaging, service) = app(to(&server.url())).await;
        let (began, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Barrier::new(2)));
        let counts = Arc::clone(&began);
        messaging
            .consumer("c")
            .of::<Paid>()
            .start(&service, move |_| {
                let (counts, together) = (Arc::clone(&counts), Arc::clone(&together));
                async move {
                    together.wait().await;
                    counts.fetch_add(1, Ordering::SeqCst);
                    Ok(Done)
                }
            })
            .unwrap();
        let two = async || {
            let mut sent = 0;
            while sent < 2 {
                sent += usize::from(messaging.sender::<Paid>().send(|paid| paid.set_name("a")).await.is_ok());
            }
        };
        two().await;
        until("the first two", || began.load(Ordering::SeqCst) == 2).await;
        let durable = format!("{BANK}_c");
        let pause = async |why| {
            let transport = &**messaging.transport();
            // Its bucket is made in the background.
            let tries = async {
                while crate::consumer::decide_pause(transport, app.domain(), &durable, why).await.is_err() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, tries).await.unwrap();
        };
        let is_paused =
            || app.metric(MESSAGING_SERVICE_ID, crate::ids::CONSUMER_PAUSED, [durable.as_str()]) > 0.5;
        pause(Some(("a test", "it looks"))).await;
        until("the pause", is_paused).await;
        two().await;
        let stream = "OP_d0_5261d708f9eacbb5";
        // The server goes on sending for the pull that it has.
        until("hand backs", || server.deliveries(stream, &durable) > Some(12)).await;
        assert_eq!(began.load(Ordering::SeqCst), 2);
        pause(None).await;
        until("the next two", || began.load(Ordering::SeqCst) == 4).await;
        until("the end of the pause", || !is_paused()).await;
        app.stop().await.expect_clean();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_comes_at_once_does_not_wait_for_the_ack_wait() {
    const MESSAGES: usize = 200;
    let Some(program) = NatsProgram::newest() else { return };
    let server = program.start();
    let (app, messaging, service) = app(to(&server.url())).await;
    let done = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&done);
    let retry = crate::Retry::after(Duration::ZERO).times(10);
    let consumer = messaging.consumer("c").of::<Paid>().ack_wait(PATIENCE * 2).retry(retry);
    consumer
        .start(&service, move |paid| {
            let counts = Arc::clone(&counts);
            async move {
                if paid.delivery() < 6 {
                    return Err(errors::SERVICE_NOT_AVAILABLE.error(BANK).message("later").build());
                }
                counts.fetch_add(1, Ordering::SeqCst);
                Ok(Done)
            }
        })
        .unwrap();
    let mut sent = 0;
    while sent < MESSAGES {
        sent += usize::from(messaging.sender::<Paid>().send(|paid| paid.set_name("a")).await.is_ok());
    }
    until("the last try", || done.load(Ordering::SeqCst) == MESSAGES).await;
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_required_server_decides_about_readiness_and_any_other_is_a_note() {
    let Some(program) = NatsProgram::newest() else { return };
    let mut server = program.start();
    for required in [true, false] {
        server.stop();
        let url = server.url();
        let (app, messaging, _) = app(|mut spec| {
            spec.set_required(required);
            spec.set_connect_millis(500);
            to(&url)(spec);
        })
        .await;
        let notes = app_health::notes(&app);
        assert!(
            notes.iter().any(|note| note.starts_with("messaging: no NATS server can be used")),
            "{notes:?}"
        );
        let health = app.get::<HealthChecks>();
        assert_eq!(health.spec(MESSAGING_CHECK).unwrap().critical, required);
        let refused = messaging.sender::<Paid>().send(|_| ()).await.unwrap_err();
        assert_eq!(refused.failure(), SendFailure::NotSent);
        assert!(app.metric(MESSAGING_SERVICE_ID, CONNECTED, []) < 0.5);
        server.restart();
        until("connection", || app.metric(MESSAGING_SERVICE_ID, CONNECTED, []) > 0.5).await;
        until("notes", || !app_health::notes(&app).iter().any(|note| note.contains("no NATS server"))).await;
        app.stop().await.expect_clean();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_moves_the_connection_and_says_what_needs_a_start() {
    let Some(program) = NatsProgram::newest() else { return };
    let (one, other) = (program.start(), program.start());
    let (app, _, _) = app(to(&one.url())).await;
    put_config(app.config_dir(), |mut spec| {
        spec.set_send_millis(4_000);
        to(&other.url())(spec);
    });
    app.reload();
    until("new connection", || app.captured().text().contains("goes on with a new connection")).await;
    let log = app.captured().text();
    assert!(log.contains("takes over these fields of its config at the next start: sendMillis"), "{log}");
    until("connections", || {
        let count = |server: &NatsServer| server.json("/connz").map(|page| page["num_connections"].clone());
        count(&one) == Some(0.into()) && count(&other) == Some(1.into())
    })
    .await;
    app.stop().await.expect_clean();
}
