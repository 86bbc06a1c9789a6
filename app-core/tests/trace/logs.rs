//! Log records inside of spans.

use app_core::{
    Identity, Log, LogLevel,
    log::LogFormat,
    prelude::*,
    testing::TestApp,
    trace::{SpanId, TraceContext, TraceId},
};
use app_ids::{AppId, DomainId, InstanceId, ReleaseId};

use serde_json::Value;
use tracing::info_span;

use self::text::Shared;
use crate::sink::{UNSAMPLED, here, on};

/// A writer whose text can be read.
mod text {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}

fn identity() -> Identity {
    Identity {
        domain: DomainId::new(1),
        app: AppId::new(2),
        release: ReleaseId::new(3),
        instance: InstanceId::new(4),
    }
}

fn ids(record: &Value) -> (&str, &str) {
    (record["trace_id"].as_str().unwrap(), record["span_id"].as_str().unwrap())
}

#[test]
fn each_record_inside_a_span_has_its_ids_sampled_or_not() {
    on();
    let (log, captured) = Log::captured(&identity(), LogLevel::Info);
    let service = log.service_logger(ServiceId::new(7), "seven");
    info!(log.logger(), "outside");
    let shown = |context: &TraceContext| (context.trace_id().to_string(), context.span_id().to_string());
    let mut expected = Vec::new();
    for span in
        [info_span!(parent: None, "sampled"), info_span!(target: UNSAMPLED, parent: None, "unsampled")]
    {
        span.in_scope(|| {
            expected.push(shown(&here()));
            info!(log.logger(), "of the application");
            info_span!("inner").in_scope(|| {
                expected.push(shown(&here()));
                info!(service, "of a service"; "key" => 1, "event" => "7");
            });
            expected.push(shown(&here()));
            error!(service, "failed"; "trace_id" => "forged", "span_id" => "forged");
        });
    }
    info!(log.logger(), "outside");
    let records = captured.records();
    assert_eq!(records.len(), 8);
    for outside in [&records[0], &records[7]] {
        assert!(outside.get("trace_id").is_none() && outside.get("span_id").is_none(), "{outside}");
    }
    for (record, (trace, span)) in records[1..7].iter().zip(&expected) {
        assert_eq!(ids(record), (trace.as_str(), span.as_str()), "{record}");
    }
    assert_eq!(records[3]["trace_id_"], "forged");
    assert_eq!(records[3]["span_id_"], "forged");
    let text = captured.text();
    let line = text.lines().nth(2).unwrap();
    let order = ["\"svc_name\":", "\"trace_id\":", "\"span_id\":", "\"event\":", "\"key\":", "\"message\":"];
    let places: Vec<_> =
        order.iter().map(|key| line.find(key).unwrap_or_else(|| panic!("{key} in {line}"))).collect();
    assert!(places.is_sorted(), "{line}");
}

#[test]
fn the_log_for_people_has_the_ids_at_the_end() {
    on();
    let written = Shared::default();
    let log =
        Log::to_writer(&identity(), LogFormat::Term, LogLevel::Info, Box::new(written.clone())).unwrap();
    let (trace, span) = info_span!(parent: None, "span").in_scope(|| {
        info!(log.logger(), "inside"; "key" => 1, "trace_id" => "own");
        (here().trace_id(), here().span_id())
    });
    info!(log.logger(), "outside");
    assert!(log.flush(Duration::from_secs(60)));
    let text = written.text();
    let mut lines = text.lines();
    let end = format!(" inside, key: 1, trace_id_: own, trace_id: {trace}, span_id: {span}");
    assert!(lines.next().unwrap().ends_with(&end), "{text}");
    assert!(lines.next().unwrap().ends_with(" outside"), "{text}");
}

#[test]
fn a_record_that_is_cut_keeps_its_ids() {
    on();
    let (log, captured) = Log::captured(&identity(), LogLevel::Info);
    let context = info_span!(parent: None, "span").in_scope(|| {
        let (long, longer) = ("x".repeat(60_000), "y".repeat(60_000));
        info!(log.logger(), "{longer}"; "long" => long);
        here()
    });
    let text = captured.text();
    assert!(text.len() <= 16_000, "{}", text.len());
    let record = &captured.records()[0];
    assert_eq!(ids(record), (&*context.trace_id().to_string(), &*context.span_id().to_string()));
}

#[tokio::test]
async fn what_dependencies_log_has_the_ids_too() {
    on();
    let (log, captured) = Log::captured(&identity(), LogLevel::Info);
    app_core::log::capture_dependencies(&log);
    let of_record = |captured: &app_core::log::CapturedLog, message: &str| -> (TraceId, SpanId) {
        let records = captured.records();
        let record = records.iter().find(|record| record["message"] == message).unwrap();
        let parsed = format!("00-{}-{}-01", ids(record).0, ids(record).1);
        let context = TraceContext::parse(&parsed, None).unwrap();
        (context.trace_id(), context.span_id())
    };
    let outer = info_span!(parent: None, "outer");
    let inner = info_span!(parent: &outer, "inner");
    let (of_outer, of_inner) = (outer.in_scope(here), inner.in_scope(here));
    outer.in_scope(|| {
        tracing::warn!("from tracing");
        log::warn!("from log");
        tracing::warn!(parent: &inner, "with a parent");
    });
    tracing::warn!(parent: &outer, "from outside");
    for (message, context) in [
        ("from tracing", &of_outer),
        ("from log", &of_outer),
        ("with a parent", &of_inner),
        ("from outside", &of_outer),
    ] {
        assert_eq!(of_record(&captured, message), (context.trace_id(), context.span_id()), "{message}");
    }
}

#[tokio::test]
async fn records_of_a_service_inside_a_request_have_its_ids() {
    on();
    let app = TestApp::empty().await;
    let service = app.new_service(ServiceId::new(7), "seven");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    TraceContext::parse(parent, None).unwrap().scope(async { info!(service.log(), "in a request") }).await;
    let records = app.captured().records();
    let record = records.iter().find(|record| record["message"] == "in a request").unwrap();
    assert_eq!(ids(record), ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"));
    app.stop().await.expect_clean();
}
