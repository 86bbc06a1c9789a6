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
use crate::transport::{BucketConfig, CopiesOf, StreamConfig, Transport, TransportError};

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How often streams with too few copies are looked at again.
const RAISE_EVERY: Duration = Duration::from_secs(60);

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
    /// Those with too few copies, by name: why. They work.
    few_copies: Mutex<BTreeMap<String, String>>,
    missed: Notify,
}

impl Streams {
    pub(crate) fn new(
        transport: Arc<dyn Transport>,
        provisioning: Provisioning,
        streams: Vec<StreamConfig>,
        buckets: Vec<BucketConfig>,
    ) -> Self {
        let (problems, few_copies, missed) = (Mutex::default(), Mutex::default(), Notify::new());
        Self { transport, provisioning, streams, buckets, problems, few_copies, missed }
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

    /// A note for each stream that works, and has too few copies.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.few_copies.lock().values().cloned().collect()
    }

    /// Provides everything once. Returns whether all is provided.
    pub(crate) async fn provide(&self, log: &Logger) -> bool {
        for stream in &self.streams {
            let provided = super::stream(&*self.transport, stream, self.provisioning);
            let provided = tokio::time::timeout(WITHIN, provided).await;
            let provided = provided.unwrap_or(Err(TransportError::NoAnswer.into()));
            let is_there = provided.is_ok();
            self.note(log, &stream.name, provided);
            // A number in the config is part of what is provided.
            if is_there && stream.replicas == 0 {
                self.raise_copies(log, CopiesOf::Stream(&stream.name)).await;
            }
        }
        for bucket in &self.buckets {
            let provided = super::bucket(&*self.transport, bucket, self.provisioning);
            let provided = tokio::time::timeout(WITHIN, provided).await;
            let provided = provided.unwrap_or(Err(TransportError::NoAnswer.into()));
            let is_there = provided.is_ok();
            self.note(log, &bucket.name, provided);
            if is_there {
                self.raise_copies(log, CopiesOf::Bucket(&bucket.name)).await;
            }
        }
        self.problems.lock().is_empty()
    }

    /// What was made while servers were away has fewer copies. It gets them when the servers are back.
    async fn raise_copies(&self, log: &Logger, of: CopiesOf<'_>) {
        let raised = self.transport.raise_copies(of, self.provisioning == Provisioning::Ensure);
        let Ok(Ok(why)) = tokio::time::timeout(WITHIN, raised).await else {
            // Nothing is known at the moment.
            return;
        };
        let name = of.name();
        let Some(why) = why else {
            self.few_copies.lock().remove(name);
            return;
        };
        // One record, not one for each look.
        let news = self.few_copies.lock().insert(name.to_owned(), format!("stream {name}: {why}")).is_none();
        if news {
            warn!(log, "a stream has too few copies"; "event" => STREAM_WAITS.hex(), "stream" => name, "reason" => why);
        }
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
                if provided && self.few_copies.lock().is_empty() {
                    missed.await;
                    // Those who miss a stream say so again and again.
                    tokio::time::sleep(PAUSES.0).await;
                } else if provided {
                    let _ = tokio::time::timeout(RAISE_EVERY, missed).await;
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
