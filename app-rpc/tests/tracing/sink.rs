//! A sink that keeps the spans of all tests, by trace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use app_core::trace::{
    self, InstalledSink, Level, LevelFilter, Sampler, SpanData, SpanSink, TraceBegin, TraceId,
};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::stand::eventually;

static TURNS: RwLock<()> = RwLock::const_new(());
static INSTALLED: Mutex<Option<InstalledSink>> = Mutex::new(None);
static KEPT: Mutex<Option<Arc<Kept>>> = Mutex::new(None);

#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<TraceId, Vec<SpanData>>>);

impl SpanSink for Kept {
    fn admits(&self, _: &str, level: Level) -> bool {
        level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, span: Box<SpanData>) {
        self.0.lock().unwrap().entry(span.context().trace_id()).or_default().push(*span);
    }
}

/// As a peer that showed who it is has decided, or else all.
struct AsVerifiedPeers;

impl Sampler for AsVerifiedPeers {
    fn sample(&self, begin: &TraceBegin<'_>) -> bool {
        begin.parent.filter(|_| begin.trusted).is_none_or(|parent| parent.sampled())
    }
}

/// Spans are on until the guard is dropped.
pub(crate) async fn on() -> RwLockReadGuard<'static, ()> {
    let turn = TURNS.read().await;
    let kept = Arc::clone(KEPT.lock().unwrap().get_or_insert_default());
    let mut installed = INSTALLED.lock().unwrap();
    if installed.is_none() {
        *installed = Some(trace::install(kept, Arc::new(AsVerifiedPeers)).unwrap());
    }
    turn
}

/// Spans are off until the guard is dropped.
pub(crate) async fn off() -> RwLockWriteGuard<'static, ()> {
    let turn = TURNS.write().await;
    drop(INSTALLED.lock().unwrap().take());
    turn
}

/// The spans of a trace, once there are so many. The server's span ends a moment after the client has its answer.
pub(crate) async fn spans(id: TraceId, count: usize) -> Vec<SpanData> {
    let kept = KEPT.lock().unwrap().clone().unwrap();
    let of_trace = || kept.0.lock().unwrap().get(&id).cloned().unwrap_or_default();
    eventually("the spans have ended", || of_trace().len() >= count).await;
    of_trace()
}
