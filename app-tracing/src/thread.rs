//! The thread of the exporter, with a runtime of its own.
//!
//! The exporter shares nothing with the runtime of the services. So it exports while every worker is blocked, and its work takes no
//! turn of theirs. A stop waits for it from outside, until a deadline.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use app_core::prelude::*;
use app_core::threads::spawn_thread;
use app_core::trace;
use arc_swap::ArcSwap;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::encode::Encoder;
use crate::exporter::{Complaints, Exporter, Outcomes, Work};
use crate::ids::SPANS_NOT_EXPORTED;
use crate::metrics::TracingMetrics;
use crate::settings::Settings;
use crate::sink::QueueSink;
use crate::transport::HttpTransport;

/// How long a stop waits for spans to be exported.
pub const STOP_TIME: Duration = Duration::from_secs(2);

/// How many spans a second are exported without a loss, if the collector answers each request within 50 ms.
pub const SPANS_A_SECOND: u32 = 10_000;

/// How much longer than [`STOP_TIME`] the stop waits for the thread. It ends by itself before.
const GRACE: Duration = Duration::from_millis(500);

/// The thread of the exporter.
pub(crate) struct ExportThread {
    stop: watch::Sender<Option<Instant>>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// What the thread works with.
pub(crate) struct ExportParts {
    pub(crate) sink: Arc<QueueSink>,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) metrics: TracingMetrics,
    pub(crate) log: Logger,
}

impl ExportThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses the thread, or what its runtime needs.
    pub(crate) fn start(parts: ExportParts) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        // A current-thread runtime starts no thread, and look-ups have threads of their own.
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = spawn_thread("tracing-export", move || {
            // Nothing on this thread makes a span: such a span would be exported, and make the next one.
            trace::leave_out_this_thread();
            runtime.block_on(run(parts, stopped));
            runtime.shutdown_background();
            // The service may have stopped waiting.
            let _ = end.send(());
        })?;
        Ok(Self { stop, ended, thread })
    }

    /// Returns when the thread has ended, which it does before its stop only after a panic.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.ended).await;
    }

    /// Has the exporter export what waits, and waits for its end.
    pub(crate) async fn stop(self, log: &Logger) {
        let by = Instant::now() + STOP_TIME;
        self.stop.send_replace(Some(by));
        if tokio::time::timeout_at(by + GRACE, self.ended).await.is_err() {
            warn!(log, "the exporter did not end in time, and is left behind"; "event" => SPANS_NOT_EXPORTED.hex());
            return;
        }
        // It has ended but for its last lines.
        if self.thread.join().is_err() {
            error!(log, "the exporter ended with a panic"; "event" => SPANS_NOT_EXPORTED.hex());
        }
    }
}

async fn run(parts: ExportParts, stop: watch::Receiver<Option<Instant>>) {
    let ExportParts { sink, settings, changes, metrics, log } = parts;
    let work = {
        let metrics = metrics.clone();
        move || {
            let settings = settings.load();
            metrics.trouble(
                settings.destination.as_ref().err().filter(|_| settings.is_wrong).map(String::as_str),
            );
            let destination = settings.destination.as_ref().ok()?.clone();
            Some(Work {
                transport: HttpTransport::new(destination),
                encoder: Encoder::new(&settings.resource, settings.gzip),
                timeout: settings.timeout,
            })
        }
    };
    let exporter = Exporter {
        queue: Arc::clone(&sink.queue),
        work: work(),
        changes,
        stop,
        outcomes: metrics,
        complaints: Complaints::new(log),
        not_before: None,
        told_dropped: 0,
        pending: None,
    };
    exporter.run(work).await;
    // What ends from now on is counted as dropped.
    sink.close();
}
