//! A process that makes spans: of this platform, of tracing-opentelemetry with the SDK, or of fastrace. For each line that it reads it
//! makes a number of spans, and prints the nanoseconds of one. Arguments: who, how (`sampled`, `unsampled`, `off`), the number.

use std::{
    env,
    error::Error,
    future::Future,
    hint::black_box,
    io::{BufRead, Write},
    time::Instant,
};

use app_core::testing::TestApp;
use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::{Span, SpanContext};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt as _;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [who, how, spans] = &arguments[..] else {
        return Err("arguments: who, how, the number of spans".into());
    };
    let spans = spans.parse()?;
    match who.as_str() {
        "ours" => ours(how, spans),
        "otel" => otel(how, spans),
        "fastrace" => {
            fastrace::set_reporter(DropAll, Config::default());
            when_asked(spans, fastrace_span)
        }
        _ => Err("who is ours, otel or fastrace".into()),
    }
}

fn ours(how: &str, spans: u32) -> Result<(), Failure> {
    let mut variables: Vec<(&str, String)> = Vec::new();
    if how != "off" {
        variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", env::var("OTEL_EXPORTER_OTLP_ENDPOINT")?));
        let sampler = if how == "sampled" { "always_on" } else { "always_off" };
        variables.push(("OTEL_TRACES_SAMPLER", sampler.to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let app = TestApp::builder()
        .linked([app_tracing::TRACING_SERVICE_ID])
        .provide(app_tracing::Variables::of(variables));
    let _app = runtime.block_on(app.start());
    when_asked(spans, span)
}

fn otel(how: &str, spans: u32) -> Result<(), Failure> {
    let sampler = if how == "sampled" { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    let processor = BatchSpanProcessor::builder(DropAll).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).with_sampler(sampler).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("benches"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    when_asked(spans, span)
}

fn when_asked(spans: u32, make: impl Fn()) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        line?;
        let began = Instant::now();
        (0..spans).for_each(|_| make());
        writeln!(out, "{}", began.elapsed().as_nanos() as f64 / f64::from(spans))?;
        out.flush()?;
    }
    Ok(())
}

fn span() {
    let span = tracing::info_span!(
        "acquire",
        rule = black_box("default"),
        key = black_box("customer-4711"),
        permits = black_box(3_i64),
        granted = black_box(true),
        ratio = black_box(0.97_f64),
    );
    let _entered = black_box(&span).enter();
}

fn fastrace_span() {
    let root = Span::root("acquire", SpanContext::random()).with_properties(|| {
        [
            ("rule", black_box("default").to_owned()),
            ("key", black_box("customer-4711").to_owned()),
            ("permits", black_box(3_i64).to_string()),
            ("granted", black_box(true).to_string()),
            ("ratio", black_box(0.97_f64).to_string()),
        ]
    });
    let _entered = root.set_local_parent();
}

/// An exporter that keeps nothing.
#[derive(Debug)]
struct DropAll;

impl SpanExporter for DropAll {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        drop(batch);
        std::future::ready(Ok(()))
    }
}

impl Reporter for DropAll {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        drop(spans);
    }
}
