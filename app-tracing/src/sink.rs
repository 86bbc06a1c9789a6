//! What the kernel calls when traces begin and spans end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use app_core::trace::{Level, LevelFilter, Sampler, SamplingHint, SpanData, SpanSink, TraceBegin};
use app_metrics::Counter;
use arc_swap::ArcSwap;

use crate::filter::Filter;
use crate::queue::Queue;
use crate::sampling::{RemoteParent, Sampling};

/// Puts ended spans into the queue.
pub(crate) struct QueueSink {
    pub(crate) queue: Arc<Queue<Box<SpanData>>>,
    pub(crate) filter: ArcSwap<Filter>,
    pub(crate) dropped: Counter,
    /// Whether there is a collector.
    pub(crate) exports: AtomicBool,
    pub(crate) sampling: Sampling,
}

impl QueueSink {
    /// Drops and counts the spans that wait, and all that end later.
    pub(crate) fn close(&self) {
        self.dropped.add(self.queue.close());
    }
}

impl SpanSink for QueueSink {
    fn admits(&self, target: &str, level: Level) -> bool {
        self.filter.load().lets_through(target, level)
    }

    fn max_level(&self) -> LevelFilter {
        self.filter.load().lowest()
    }

    fn ended(&self, span: Box<SpanData>) {
        if !self.queue.push(span) {
            self.dropped.inc();
        }
    }
}

/// The sampler is the same value: both have to change together.
pub(crate) struct QueueSampler(pub(crate) Arc<QueueSink>);

impl Sampler for QueueSampler {
    fn sample(&self, begin: &TraceBegin<'_>) -> bool {
        let parent =
            begin.parent.map(|parent| RemoteParent { sampled: parent.sampled(), verified: begin.trusted });
        self.0.exports.load(Ordering::Relaxed) && self.0.sampling.decide(begin.trace_id.to_bytes(), parent)
    }

    /// The same decisions as those of `sample`, but for parents that are not verified.
    fn hint(&self) -> SamplingHint {
        let exports = self.0.exports.load(Ordering::Relaxed);
        let bound = if exports { self.0.sampling.bound() } else { 0 };
        SamplingHint::default()
            .new_traces_below(bound)
            .verified_peers_decide(exports && self.0.sampling.is_by_parent())
    }
}
