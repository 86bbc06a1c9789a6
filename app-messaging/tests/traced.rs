//! Spans of messages: what a sink gets of sending and of handling. One test, because the sink is that of the process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use app_core::{
    prelude::*,
    testing::TestApp,
    trace::{
        self, AttributeValue, Level, LevelFilter, Sampler, SpanData, SpanKind, SpanSink, SpanStatus,
        TraceBegin,
    },
};
use app_messaging::{Answer, DeadLetter, Done, MESSAGING_SERVICE_ID, Messaging, Retry};
use quota_schema::quota_capnp::quota_rule;
use tokio::time::sleep;

const SHOP: ServiceId = ServiceId::new(0x51ab_0c3e_94d7_2f68);

app_messaging::message! {
    /// A message that is stored.
    struct Order(quota_rule::Owned); id: 0x62bc_1d4f_a5e8_3079, of: SHOP, name: "order", kind: Stored
}
app_messaging::message! {
    /// An event.
    struct Tick(quota_rule::Owned); id: 0x73cd_2e50_b6f9_418a, of: SHOP, name: "tick", kind: Event
}
app_messaging::message! {
    /// A request.
    struct Ask(quota_rule::Owned) -> quota_rule::Owned; id: 0x84de_3f61_c70a_529b, of: SHOP, name: "ask", kind: Request
}
app_messaging::stream! { ORDERS: id 0x95ef_4072_d81b_63ac, of: SHOP, name: "orders", stores: [Order] }

#[derive(Default)]
struct Kept(Mutex<Vec<SpanData>>);

impl Kept {
    /// The spans that have ended since the last call: of sending and of handling, each in this order.
    fn take(&self) -> (Vec<SpanData>, Vec<SpanData>) {
        let spans = std::mem::take(&mut *self.0.lock().unwrap());
        spans.into_iter().partition(|span| span.kind() == SpanKind::Producer)
    }
}

impl SpanSink for Kept {
    fn admits(&self, target: &str, level: Level) -> bool {
        target == "app_messaging" && level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, span: Box<SpanData>) {
        self.0.lock().unwrap().push(*span);
    }
}

struct All;

impl Sampler for All {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        true
    }
}

fn text<'a>(span: &'a SpanData, key: &str) -> Option<&'a str> {
    match span.attributes().get(key) {
        Some(AttributeValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// Checks what every error of a handler leaves on its span.
#[track_caller]
fn assert_failed(span: &SpanData, kind: &str, reason: &str) {
    let SpanStatus::Error(told) = span.status() else { panic!("{span:?}") };
    assert!(told.contains(reason), "{span:?}");
    assert_eq!(text(span, "error.type"), Some(kind), "{span:?}");
    for key in ["error.id", "error.severity", "error.category", "error.uid"] {
        assert!(text(span, key).is_some(), "{key}: {span:?}");
    }
    assert!(span.events().iter().any(|event| event.name() == "exception"), "{:?}", span.events());
}

#[track_caller]
fn assert_about(span: &SpanData, operation: [&str; 2], message: &str, consumer: Option<&str>) {
    assert_eq!(span.name(), format!("{} {message}", operation[0]));
    assert_eq!(text(span, "messaging.system"), Some("nats"));
    assert_eq!(text(span, "messaging.operation.name"), Some(operation[0]));
    assert_eq!(text(span, "messaging.operation.type"), Some(operation[1]));
    assert_eq!(text(span, "messaging.destination.name"), Some(message));
    assert_eq!(text(span, "messaging.consumer.group.name"), consumer);
    let kind = if consumer.is_some() { SpanKind::Consumer } else { SpanKind::Producer };
    assert_eq!(span.kind(), kind);
}

/// A handler that fails, asks for a dead letter, and succeeds: once each for a message.
async fn stored(messaging: &Messaging, service: &Service, kept: &Kept) {
    let attempts = Mutex::new(0);
    let consumer = messaging.consumer("c").of::<Order>().retry(Retry::after(Duration::from_secs(1)).times(3));
    consumer
        .start(service, move |message| {
            let attempt = {
                let mut attempts = attempts.lock().unwrap();
                *attempts += 1;
                *attempts
            };
            async move {
                match attempt {
                    1 => Err(errors::SERVICE_NOT_AVAILABLE.error(SHOP).message("no stock").build()),
                    2 => panic!("on purpose"),
                    3 => Ok(DeadLetter("unknown item".to_owned())),
                    _ => message.read(|_| Ok(Done)),
                }
            }
        })
        .unwrap();
    let sender = messaging.sender::<Order>();
    sender.send_with_id("order-7", |_| ()).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    sender.send_with_id("order-8", |_| ()).await.unwrap();
    sleep(Duration::from_secs(10)).await;

    let (sends, processes) = kept.take();
    let [sent, sent_later] = &*sends else { panic!("{sends:?}") };
    let [first, second, third, last] = &*processes else { panic!("{processes:?}") };
    for (send, id) in [(sent, "order-7"), (sent_later, "order-8")] {
        assert_about(send, ["send", "send"], "order", None);
        assert_eq!((text(send, "messaging.message.id"), send.status()), (Some(id), &SpanStatus::Unset));
    }
    for (process, delivery, send) in
        [(first, 1, sent), (second, 2, sent), (third, 3, sent), (last, 1, sent_later)]
    {
        assert_about(process, ["process", "process"], "order", Some(&format!("{SHOP}_c")));
        let count = process.attributes().get("messaging.nats.delivery_count");
        assert_eq!(count, Some(AttributeValue::Int(delivery)), "{process:?}");
        assert_eq!(process.parent().map(|parent| parent.id), Some(send.context().span_id()));
        assert_eq!(process.context().trace_id(), send.context().trace_id());
    }
    assert_failed(first, errors::SERVICE_NOT_AVAILABLE.id.name().unwrap(), "no stock");
    assert_eq!(text(second, "error.type"), Some("handler_failed"));
    assert!(matches!(second.status(), SpanStatus::Error(told) if told.contains("panicked: on purpose")));
    assert_eq!(text(third, "error.type"), Some("dead_letter"));
    assert_eq!(third.status(), &SpanStatus::Error("unknown item".to_owned()));
    assert_eq!((text(last, "error.type"), last.status()), (None, &SpanStatus::Unset));
}

async fn events(messaging: &Messaging, service: &Service, kept: &Kept) {
    let failing = |_| async { Err(errors::CONFIG_FAILURE.error(SHOP).message("no rule").build()) };
    messaging.subscriber::<Tick>().start(service, failing).unwrap();
    sleep(Duration::from_secs(1)).await;
    messaging.publisher::<Tick>().publish(|_| ()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let (sends, processes) = kept.take();
    let ([sent], [process]) = (&*sends, &*processes) else { panic!("{sends:?} {processes:?}") };
    assert_about(sent, ["publish", "send"], "tick", None);
    assert_about(process, ["process", "process"], "tick", Some("subscriber"));
    assert_eq!(process.attributes().get("messaging.nats.delivery_count"), None);
    assert_eq!(process.parent().map(|parent| parent.id), Some(sent.context().span_id()));
    assert_failed(process, errors::CONFIG_FAILURE.id.name().unwrap(), "no rule");
}

async fn requests(messaging: &Messaging, service: &Service, kept: &Kept) {
    let answers = Mutex::new(0);
    messaging
        .responder::<Ask>()
        .start(service, move |_| {
            let answer = {
                let mut answers = answers.lock().unwrap();
                *answers += 1;
                *answers
            };
            async move {
                assert_eq!(answer, 1, "only the first one");
                Ok(Answer::<Ask>::new(|_| ()))
            }
        })
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    messaging.ask::<Ask>(|_| ()).await.unwrap();
    messaging.ask::<Ask>(|_| ()).await.unwrap_err();
    let (_, processes) = kept.take();
    let [answered, failed] = &*processes else { panic!("{processes:?}") };
    for process in [answered, failed] {
        assert_about(process, ["process", "process"], "ask", Some("responder"));
    }
    assert_eq!(answered.status(), &SpanStatus::Unset);
    assert_failed(failed, errors::BUG.id.name().unwrap(), "the handler panicked");
}

#[tokio::test(start_paused = true)]
async fn sending_and_handling_are_spans_that_say_how_they_ended() {
    let kept = Arc::new(Kept::default());
    let _installed = trace::install(kept.clone(), Arc::new(All)).unwrap();
    let app = TestApp::with([MESSAGING_SERVICE_ID]).await;
    let (messaging, service) = (app.get::<Messaging>(), app.new_service(SHOP, "shop"));
    stored(&messaging, &service, &kept).await;
    events(&messaging, &service, &kept).await;
    requests(&messaging, &service, &kept).await;
    app.stop().await.expect_clean();
}
