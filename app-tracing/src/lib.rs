//! Traces: exports the spans of an application to a collector, as OTLP over HTTP.
//!
//! Why a crate of its own: making spans is cheap and everywhere, and exporting them needs a client, a queue and a config. `app-core`
//! makes spans and knows where the running code is ([`app_core::trace`]). This crate is the sink. What stays out: spans themselves
//! (write them with the crate `tracing`), logs and metrics (the collector gets them elsewhere), and the collector.
//!
//! Link the crate, and name a collector: in the config, or in OpenTelemetry's variables.
//!
//! ```
//! use app_core::{prelude::*, testing::TestApp};
//! use app_tracing::{TRACING_SERVICE_ID, Tracing, Variables};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let variables = Variables::of([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")]);
//! let app = TestApp::builder().linked([TRACING_SERVICE_ID]).provide(variables).start().await;
//! assert_eq!(app.get::<Tracing>().destination().as_deref(), Some("http://collector:4318/v1/traces"));
//! app.stop().await.expect_clean();
//! # }
//! ```
//!
//! | what goes wrong | what it costs |
//! |---|---|
//! | the collector is away, slow, or answers nonsense | counters, the health check `tracing`, one log record a minute |
//! | more spans end than it takes | those that do not fit into the queue are dropped and counted |
//! | the application stops | what waits is exported within [`STOP_TIME`]; the rest is counted |
//!
//! No span is lost as long as at most [`SPANS_A_SECOND`] end and the collector answers each request within 50 ms.
//!
//! A trace is sampled as its parent is, if the peer that sent it showed who it is. A peer that did not can make at most
//! [`UNVERIFIED_PER_SECOND`] traces a second sampled, all of them together. A new trace is sampled by its id, as OpenTelemetry's
//! `TraceIdRatioBased` does it.

mod answer;
mod config;
mod encode;
mod endpoint;
mod exporter;
mod filter;
mod handle;
mod header;
mod ids;
mod metrics;
mod operations;
mod panels;
mod queue;
mod sampling;
mod service;
mod settings;
mod sink;
mod thread;
mod transport;
mod variables;
mod wire;

pub use self::encode::SCHEMA_URL;
pub use self::handle::Tracing;
pub use self::ids::TRACING_SERVICE_ID;
pub use self::sampling::UNVERIFIED_PER_SECOND;
pub use self::thread::{SPANS_A_SECOND, STOP_TIME};
pub use self::variables::Variables;
