//! The service: where messages go, sending, events, requests.

mod failing;
mod handlers;
mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use app_core::testing::TestApp;
use parking_lot::Mutex;
use quota_schema::quota_capnp::{quota_rule, quota_spec};
use tokio::time::{Instant, sleep};

use super::*;
use crate::transport::Outgoing;
use crate::wire::{Headers, subject};
use crate::{Answer, AskFailure, Done, SendFailure};

const BANK: ServiceId = ServiceId::new(0x1e2d_93c4_b5a6_8771);

crate::message! {
    /// A stored message.
    pub(crate) struct Paid(quota_rule::Owned); id: 0x2f3e_a4d5_c6b7_9882, of: BANK, name: "paid", kind: Stored
}
crate::message! {
    /// An event.
    pub(crate) struct Tick(quota_rule::Owned); id: 0x304f_b5e6_d7c8_a993, of: BANK, name: "tick", kind: Event
}
crate::message! {
    /// A request.
    pub(crate) struct Balance(quota_rule::Owned) -> quota_spec::Owned;
    id: 0x4150_c6f7_e8d9_baa4, of: BANK, name: "balance", kind: Request
}
crate::stream! { pub(crate) PAYMENTS: id 0x5261_d708_f9ea_cbb5, of: BANK, name: "payments", stores: [Paid] }

async fn bank() -> (TestApp, Arc<Messaging>, Service) {
    of(TestApp::builder().linked([MESSAGING_SERVICE_ID]).start().await)
}

fn of(app: TestApp) -> (TestApp, Arc<Messaging>, Service) {
    let (messaging, service) = (app.get::<Messaging>(), app.new_service(BANK, "bank"));
    (app, messaging, service)
}

#[tokio::test(start_paused = true)]
async fn inside_of_the_process_one_line_says_so() {
    let (app, messaging, _) = bank().await;
    assert!(
        app.captured().text().contains("messages stay inside of this process"),
        "{}",
        app.captured().text()
    );
    assert!(app_health::notes(&app).is_empty());
    let receipt = messaging.sender::<Paid>().send(|paid| paid.set_name("a")).await.unwrap();
    assert_eq!((&*receipt.stream, receipt.sequence), ("OP_d0_5261d708f9eacbb5", 1));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn without_a_server_nothing_pretends_to_be_stored() {
    let app = TestApp::builder().provide(Place::NoServer).linked([MESSAGING_SERVICE_ID]).start().await;
    let (app, messaging, service) = of(app);
    let refused = messaging.sender::<Paid>().send(|paid| paid.set_name("a")).await.unwrap_err();
    assert_eq!(refused.failure(), SendFailure::NotSent);
    assert!(refused.to_string().contains("was not sent: no NATS server is configured"), "{refused}");
    let log = app.captured().text();
    assert_eq!(log.matches("no NATS server is configured").count(), 1, "one warning: {log}");
    let notes = app_health::notes(&app);
    assert!(notes.len() == 1 && notes[0].contains("names servers, or sets inProcess"), "{notes:?}");
    messaging.consumer("c").of::<Paid>().start(&service, |_| async { Ok(Done) }).unwrap();
    // Events and requests stay inside.
    let seen: Arc<Mutex<usize>> = Arc::default();
    let counts = Arc::clone(&seen);
    messaging
        .subscriber::<Tick>()
        .start(&service, move |_| {
            *counts.lock() += 1;
            async { Ok(()) }
        })
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    messaging.publisher::<Tick>().publish(|_| ()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*seen.lock(), 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_id_is_stored_once_and_a_bad_one_is_refused() {
    let (_app, messaging, _) = bank().await;
    let sender = messaging.sender::<Paid>();
    let first = sender.send_with_id("payment-7", |_| ()).await.unwrap();
    let again = sender.send_with_id("payment-7", |_| ()).await.unwrap();
    assert_eq!((again.sequence, again.duplicate), (first.sequence, true));
    for bad in ["", "a b", &"x".repeat(129)] {
        let refused = sender.send_with_id(bad, |_| ()).await.unwrap_err();
        assert_eq!(refused.failure(), SendFailure::Refused, "{bad}");
        assert!(refused.reason().contains("1 to 128 visible ASCII"), "{refused}");
    }
    assert_eq!(messaging.stream_held::<Paid>().await.unwrap().messages, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_limit_is_refused_before_it_is_sent() {
    let (_app, messaging, _) = bank().await;
    let noise: String =
        (0..300_000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(7919) % 90) as u8)).collect();
    let refused = messaging.sender::<Paid>().send(|paid| paid.set_name(&noise[..])).await.unwrap_err();
    assert_eq!(refused.failure(), SendFailure::TooLarge);
    assert!(
        refused.to_string().contains("at most 262144 are allowed; send less, or raise maxMessageBytes"),
        "{refused}"
    );
    let refused = messaging.publisher::<Tick>().publish(|tick| tick.set_name(&noise[..])).await.unwrap_err();
    assert_eq!(refused.failure(), SendFailure::TooLarge);
    let refused = messaging.ask::<Balance>(|ask| ask.set_name(&noise[..])).await.unwrap_err();
    assert_eq!(refused.failure(), AskFailure::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_send_without_an_acknowledgement_says_what_may_be() {
    let faults = Faults::seeded(1).lose_acks(1.0);
    let app = TestApp::builder().provide(faults).linked([MESSAGING_SERVICE_ID]).start().await;
    let messaging = app.get::<Messaging>();
    let began = Instant::now();
    let sender = messaging.sender::<Paid>().deadline(Duration::from_secs(7));
    let failed = sender.send_with_id("payment-7", |_| ()).await.unwrap_err();
    assert_eq!((failed.failure(), failed.id()), (SendFailure::MaybeStored, Some("payment-7")));
    assert_eq!(began.elapsed().as_secs(), 7);
    let held = messaging.stream_held::<Paid>().await.unwrap();
    assert!(held.messages <= 1, "it was sent again with the same id: {held:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_a_send_fails_fast() {
    let faults = Faults::seeded(1).disconnect(0.5);
    let app = TestApp::builder().provide(faults).linked([MESSAGING_SERVICE_ID]).start().await;
    let sender = app.get::<Messaging>().sender::<Paid>();
    let mut failures = 0;
    for _ in 0..20 {
        let began = Instant::now();
        if let Err(failed) = sender.send(|_| ()).await {
            failures += 1;
            assert_eq!(failed.failure(), SendFailure::NotSent);
            assert!(began.elapsed() < Duration::from_millis(10));
        }
        sleep(Duration::from_millis(300)).await;
    }
    assert!(failures > 3, "{failures}");
}

#[tokio::test(start_paused = true)]
async fn every_subscriber_gets_an_event_and_a_failed_handler_harms_nobody() {
    let (app, messaging, service) = bank().await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    for which in ["one", "other"] {
        let seen = Arc::clone(&seen);
        let handler = move |tick: crate::Message<Tick>| {
            let name = tick.read(|tick| Ok(tick.get_name()?.to_string()?)).unwrap();
            seen.lock().push(format!("{which} {name}"));
            assert_ne!(name, "panics");
            async move {
                if name == "fails" { Err(errors::BUG.error(BANK).message("fails").build()) } else { Ok(()) }
            }
        };
        messaging.subscriber::<Tick>().start(&service, handler).unwrap();
    }
    sleep(Duration::from_millis(1)).await;
    let ticks = messaging.publisher::<Tick>();
    for name in ["panics", "fails", "good"] {
        ticks.publish(|tick| tick.set_name(name)).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    let mut seen = seen.lock().clone();
    seen.sort();
    assert_eq!(seen, ["one fails", "one good", "one panics", "other fails", "other good", "other panics"]);
    assert!(service.alive());
    assert!(app.captured().text().contains("an event was not handled"));
}

#[tokio::test(start_paused = true)]
async fn one_responder_answers_and_each_failure_is_typed() {
    let (_app, messaging, service) = bank().await;
    let ask = |name: &'static str| messaging.ask::<Balance>(move |ask| ask.set_name(name));
    assert_eq!(ask("a").await.unwrap_err().failure(), AskFailure::NoResponder);
    for _ in 0..2 {
        let responder = messaging.responder::<Balance>();
        responder
            .start(&service, |ask| async move {
                let name = ask.read(|ask| Ok(ask.get_name()?.to_string()?))?;
                match name.as_str() {
                    "fails" => {
                        Err(errors::SERVICE_NOT_AVAILABLE.error(BANK).message("closed\nfor today").build())
                    }
                    "panics" => panic!("{name}"),
                    "hangs" => std::future::pending().await,
                    _ => Ok(Answer::<Balance>::new(|answer| {
                        answer.reborrow().init_rules(name.len() as u32);
                    })),
                }
            })
            .unwrap();
    }
    sleep(Duration::from_millis(1)).await;
    let answer = ask("abc").await.unwrap();
    assert_eq!(answer.read(|answer| Ok(answer.get_rules()?.len())).unwrap(), 3);
    let failed = ask("fails").await.unwrap_err();
    assert_eq!(failed.failure(), AskFailure::Failed(errors::SERVICE_NOT_AVAILABLE.id));
    assert_eq!(failed.reason(), r"closed\nfor today");
    let failed = ask("panics").await.unwrap_err();
    assert_eq!(failed.failure(), AskFailure::Failed(errors::BUG.id));
    let began = Instant::now();
    assert_eq!(ask("hangs").await.unwrap_err().failure(), AskFailure::NoAnswer);
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(service.alive());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_program_may_ask_and_answer_with_payloads_alone() {
    let (app, messaging, service) = bank().await;
    let subject = subject(app.domain(), BANK, 0x4150_c6f7_e8d9_baa4.into(), None);
    let transport = messaging.transport();
    let mut foreign = transport.subscribe(subject.clone(), None, 8).await.unwrap();
    let answers = async {
        let asked = foreign.messages.recv().await.unwrap();
        let subject = asked.reply.as_deref().unwrap().to_owned();
        let payload = "no message".into();
        transport.publish(Outgoing { subject, reply: None, headers: Headers::new(), payload }).await.unwrap();
    };
    let (answer, ()) = tokio::join!(messaging.ask::<Balance>(|_| ()), answers);
    assert_eq!(answer.unwrap_err().failure(), AskFailure::Malformed);
    drop(foreign);
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let notes = Arc::clone(&seen);
    let responder = messaging.responder::<Balance>();
    responder
        .start(&service, move |ask| {
            notes.lock().push(ask.id().is_none() && ask.from().is_none() && ask.sent_at().is_none());
            async { Ok(Answer::new(|_| ())) }
        })
        .unwrap();
    sleep(Duration::from_millis(1)).await;
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<quota_rule::Builder<'_>>();
    let payload = crate::wire::pack(&message, crate::wire::Limits::new(1_024)).unwrap();
    let bare = Outgoing { subject, reply: None, headers: Headers::new(), payload };
    transport.request(bare, Duration::from_secs(1)).await.unwrap();
    assert_eq!(*seen.lock(), [true]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_drops_the_newest_and_counts_them() {
    use crate::ids::MESSAGES_DROPPED;
    use app_metrics::testing::TestMetrics as _;
    let (app, messaging, service) = bank().await;
    messaging
        .subscriber::<Tick>()
        .start(&service, |_| async {
            sleep(Duration::from_millis(10)).await;
            Ok(())
        })
        .unwrap();
    sleep(Duration::from_millis(1)).await;
    let ticks = messaging.publisher::<Tick>();
    for _ in 0..crate::SUBSCRIPTION_CAPACITY + 100 {
        ticks.publish(|_| ()).await.unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    let dropped = app.metric(MESSAGING_SERVICE_ID, MESSAGES_DROPPED, ["tick"]);
    assert!((99.0..=100.0).contains(&dropped), "{dropped}");
    assert_eq!(app.captured().text().matches("messages were dropped because").count(), 1);
}
