//! The streams and buckets of this application: provided at the start, and again when one is missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ProvisionError;
use crate::config::Provisioning;
use crate::ids::STREAM_WAITS;
use crate::transport::{BucketConfig, StreamConfig, Transport, TransportError};

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How long a try may take, for each stream.
const WITHIN: Duration = Duration::from_secs(10);

/// The streams and buckets, and which of them are not provided.
pub(crate) struct Streams {
    transport: Arc<dyn Transport>,
    provisioning: Provisioning,
    streams: Vec<StreamConfig>,
    buckets: Vec<BucketConfig>,
    /// By name: why.
    problems: Mutex<BTreeMap<String, String>>,
    missed: Notify,
}

impl Streams {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        provisioning: Provisioning,
        streams: Vec<StreamConfig>,
        buckets: Vec<BucketConfig>,
    ) -> Self {
        Self { transport, provisioning, streams, buckets, problems: Mutex::default(), missed: Notify::new() }
    }

    pub(crate) fn provisioning(&self) -> Provisioning {
        self.provisioning
    }

    /// Says that a stream is missing, so that it is looked for at once.
    pub(crate) fn missed(&self) {
        self.missed.notify_one();
    }

    /// A note for each stream that is not provided.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.problems.lock().values().cloned().collect()
    }

    /// Provides everything once. Returns whether all is provided.
    pub(crate) async fn provide(&self, log: &Logger) -> bool {
        for stream in &self.streams {
            let provided = super::stream(&*self.transport, stream, self.provisioning);
            let provided = tokio::time::timeout(WITHIN, provided).await;
            self.note(log, &stream.name, provided.unwrap_or(Err(TransportError::NoAnswer.into())));
        }
        for bucket in &self.buckets {
            let provided = super::bucket(&*self.transport, bucket, self.provisioning);
            let provided = tokio::time::timeout(WITHIN, provided).await;
            self.note(log, &bucket.name, provided.unwrap_or(Err(TransportError::NoAnswer.into())));
        }
        self.problems.lock().is_empty()
    }

    fn note(&self, log: &Logger, name: &str, provided: Result<(), ProvisionError>) {
        let mut problems = self.problems.lock();
        let Err(error) = provided else {
            problems.remove(name);
            return;
        };
        let text = match error {
            ProvisionError::Transport(error) => format!("stream {name}: is not provided: {error}"),
            differs => differs.to_string(),
        };
        // One record for each reason, not for each try.
        if problems.insert(name.to_owned(), text.clone()).as_ref() != Some(&text) {
            drop(problems);
            warn!(log, "a stream is not as the program needs it"; "event" => STREAM_WAITS.hex(), "stream" => name, "reason" => text);
        }
    }

    /// Provides everything until it is, and again whenever something is missing.
    pub(crate) async fn keep(self: Arc<Self>, service: Service) {
        let mut pause = PAUSES.0;
        loop {
            let missed = self.missed.notified();
            tokio::pin!(missed);
            // Before looking, so that nothing is missed.
            missed.as_mut().enable();
            let provided = tokio::select! {
                () = service.dying() => return,
                provided = self.provide(service.log()) => provided,
            };
            let wait = async {
                if provided {
                    missed.await;
                    // Those who miss a stream say so again and again.
                    tokio::time::sleep(PAUSES.0).await;
                } else {
                    // Jitter, so that a fleet does not come back all at once.
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                }
            };
            tokio::select! {
                () = service.dying() => return,
                () = wait => {}
            }
            pause = if provided { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        }
    }
}
