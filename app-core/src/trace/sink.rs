//! Where spans go: one sink for the process, and the sampler that decides which traces it gets.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use app_errors::Error;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tracing_core::{Level, LevelFilter};

use super::context::TraceContext;
use super::ids::TraceId;
use super::span::SpanData;
use super::thread;

/// Gets the spans of the process.
///
/// Its functions run on the threads that begin and end spans: they have to be quick, and must never wait. Spans that begin inside of
/// [`ended`](Self::ended) are left out.
pub trait SpanSink: Send + Sync + 'static {
    /// Whether spans of this target and level are wanted. Others do not begin at all.
    ///
    /// The answers are kept. Call [`InstalledSink::filter_changed`] when they change.
    fn admits(&self, target: &str, level: Level) -> bool;

    /// The lowest level that [`admits`](Self::admits) any target.
    fn max_level(&self) -> LevelFilter;

    /// A sampled span has ended. Its children may end later.
    fn ended(&self, span: Box<SpanData>);
}

/// Decides which traces are sampled: it is asked once for each, and for each request that comes from another process.
pub trait Sampler: Send + Sync + 'static {
    /// Whether the spans go to the sink.
    fn sample(&self, begin: &TraceBegin<'_>) -> bool;

    /// The decisions that need no question, because numbers say them. By default there are none.
    ///
    /// The answer is kept. Call [`InstalledSink::sampling_changed`] when it changes.
    fn hint(&self) -> SamplingHint {
        SamplingHint::default()
    }
}

/// Decisions of a [`Sampler`] that follow from numbers. A span that is not sampled costs less if its sampler is not asked.
///
/// ```
/// use app_core::trace::SamplingHint;
///
/// // A quarter of the new traces, and those that verified peers have sampled.
/// let hint = SamplingHint::default().new_traces_below(1 << 61).verified_peers_decide(true);
/// # let _ = hint;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SamplingHint {
    pub(super) new_traces: Option<u64>,
    pub(super) verified_peers_decide: bool,
}

impl SamplingHint {
    /// A trace that begins here is sampled if the upper 63 bits of the last 8 bytes of its id, as a number, are below `bound`: this is
    /// the rule of OpenTelemetry's `TraceIdRatioBased`. 0 samples none, and 2<sup>63</sup> or more samples all.
    #[must_use]
    pub fn new_traces_below(mut self, bound: u64) -> Self {
        self.new_traces = Some(bound.min(ALL_TRACES));
        self
    }

    /// A trace of a peer that showed who it is is sampled if the peer has sampled it.
    #[must_use]
    pub fn verified_peers_decide(mut self, decide: bool) -> Self {
        self.verified_peers_decide = decide;
        self
    }
}

/// What is known of a trace when its first span in this process begins.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TraceBegin<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The span of another process that it belongs to. `None` if the trace begins here.
    pub parent: Option<&'a TraceContext>,
    /// Whether the other process showed who it is, such as by a certificate. Then do as it decided. Any other process could ask
    /// for as many sampled traces as it likes.
    pub trusted: bool,
    /// The name of the span, as in its macro.
    pub name: &'a str,
    /// The target of the span.
    pub target: &'a str,
}

impl<'a> TraceBegin<'a> {
    pub(super) fn new(
        trace_id: TraceId,
        parent: Option<&'a TraceContext>,
        name: &'a str,
        target: &'a str,
    ) -> Self {
        Self { trace_id, parent, trusted: parent.is_none_or(TraceContext::is_trusted), name, target }
    }
}

/// The sink and the sampler of the process.
pub(super) struct Installed {
    pub(super) sink: Arc<dyn SpanSink>,
    pub(super) sampler: Arc<dyn Sampler>,
}

static INSTALLED: ArcSwapOption<Installed> = ArcSwapOption::const_empty();
static LOST: AtomicU64 = AtomicU64::new(0);

/// The bound that samples all new traces. Ids count by 63 bits.
const ALL_TRACES: u64 = 1 << 63;
/// In place of a bound: the sampler is asked.
const ASK: u64 = u64::MAX;
/// Which new traces are sampled, by the hint of the sampler that is installed. 0 without one.
static NEW_TRACES: AtomicU64 = AtomicU64::new(0);
/// Whether verified peers decide for their traces, by the same hint.
static VERIFIED_PEERS_DECIDE: AtomicBool = AtomicBool::new(false);
/// Held while the hint is read and kept. So what is kept last is the hint of the sampler that was installed last.
static KEEPS_HINT: Mutex<()> = Mutex::new(());

/// Asks the sampler that is installed for its hint, and keeps the answer.
fn keep_hint() {
    let _turn = KEEPS_HINT.lock();
    let hint = |installed: &Arc<Installed>| {
        catch_unwind(AssertUnwindSafe(|| installed.sampler.hint())).unwrap_or_default()
    };
    let hint = INSTALLED.load().as_ref().map(hint);
    let (new_traces, decide) = match hint {
        Some(hint) => (hint.new_traces.unwrap_or(ASK), hint.verified_peers_decide),
        None => (0, false),
    };
    // Relaxed: a decision uses one of them, and other threads may use the old one for a moment.
    NEW_TRACES.store(new_traces, Ordering::Relaxed);
    VERIFIED_PEERS_DECIDE.store(decide, Ordering::Relaxed);
}

/// Turns spans on: `sink` gets those that `sampler` wants, from now on. The sink is that of the whole process; a later one
/// takes its place.
///
/// A service does that when it starts, and keeps what this returns. When it is dropped, spans are off again.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use app_core::trace::{self, Level, LevelFilter, Sampler, SpanData, SpanSink, TraceBegin};
///
/// #[derive(Default)]
/// struct Names(Mutex<Vec<String>>);
///
/// impl SpanSink for Names {
///     fn admits(&self, _: &str, level: Level) -> bool { level <= Level::INFO }
///     fn max_level(&self) -> LevelFilter { LevelFilter::INFO }
///     fn ended(&self, span: Box<SpanData>) { self.0.lock().unwrap().push(span.name().to_owned()) }
/// }
///
/// struct All;
/// impl Sampler for All {
///     fn sample(&self, _: &TraceBegin<'_>) -> bool { true }
/// }
///
/// # fn main() -> Result<(), app_errors::Error> {
/// let names = Arc::new(Names::default());
/// let installed = trace::install(names.clone(), Arc::new(All))?;
/// tracing::info_span!("outer").in_scope(|| tracing::info_span!("inner").in_scope(|| {}));
/// assert_eq!(*names.0.lock().unwrap(), ["inner", "outer"]);
/// drop(installed);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `ServiceNotAvailable` if the program has given the crate `tracing` a subscriber of its own.
pub fn install(sink: Arc<dyn SpanSink>, sampler: Arc<dyn Sampler>) -> Result<InstalledSink, Error> {
    super::dispatcher::ensure_is_subscriber()?;
    super::note_use();
    let installed = Arc::new(Installed { sink, sampler });
    INSTALLED.store(Some(Arc::clone(&installed)));
    keep_hint();
    tracing_core::callsite::rebuild_interest_cache();
    Ok(InstalledSink(installed))
}

/// Keeps a sink [installed](install), until it is dropped.
#[must_use = "the sink gets spans until this is dropped"]
pub struct InstalledSink(Arc<Installed>);

impl InstalledSink {
    /// Asks the sink again which spans it [admits](SpanSink::admits).
    pub fn filter_changed(&self) {
        tracing_core::callsite::rebuild_interest_cache();
    }

    /// Asks the sampler again for its [hint](Sampler::hint). Spans that this thread begins later are sampled by it.
    pub fn sampling_changed(&self) {
        keep_hint();
    }
}

impl Drop for InstalledSink {
    fn drop(&mut self) {
        let is_own = |installed: &Option<Arc<Installed>>| {
            installed.as_ref().is_some_and(|installed| Arc::ptr_eq(installed, &self.0))
        };
        // A later sink stays.
        INSTALLED.rcu(|installed| if is_own(installed) { None } else { installed.clone() });
        keep_hint();
        tracing_core::callsite::rebuild_interest_cache();
    }
}

impl fmt::Debug for InstalledSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstalledSink")
    }
}

/// How many spans were not kept since the start of the process: more than 261,120 were open at once, or a sink panicked.
#[must_use]
pub fn lost_spans() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Counts a span that is not kept.
pub(super) fn lost() {
    LOST.fetch_add(1, Ordering::Relaxed);
}

pub(super) fn is_installed() -> bool {
    INSTALLED.load().is_some()
}

/// Whether the sink wants spans of this target and level.
pub(super) fn admits(target: &str, level: Level) -> bool {
    INSTALLED.load().as_ref().is_some_and(|installed| installed.sink.admits(target, level))
}

pub(super) fn max_level() -> LevelFilter {
    INSTALLED.load().as_ref().map_or(LevelFilter::OFF, |installed| installed.sink.max_level())
}

/// Whether a trace that begins with a span of this name and target is sampled.
#[inline]
pub(super) fn samples_new(trace_id: TraceId, name: &str, target: &str) -> bool {
    match NEW_TRACES.load(Ordering::Relaxed) {
        ASK => is_sampled(&TraceBegin::new(trace_id, None, name, target)),
        bound => trace_id.low >> 1 < bound,
    }
}

/// Whether the part of a trace is sampled that begins with a span of this name and target, a child of another process's span.
#[inline]
pub(super) fn samples_remote(parent: &TraceContext, name: &str, target: &str) -> bool {
    if VERIFIED_PEERS_DECIDE.load(Ordering::Relaxed) && parent.is_trusted() {
        return parent.sampled();
    }
    is_sampled(&TraceBegin::new(parent.trace_id, Some(parent), name, target))
}

/// Asks the sampler.
#[inline(never)]
fn is_sampled(begin: &TraceBegin<'_>) -> bool {
    let installed = INSTALLED.load();
    let sample = |installed: &Arc<Installed>| {
        catch_unwind(AssertUnwindSafe(|| installed.sampler.sample(begin))).unwrap_or(false)
    };
    installed.as_ref().is_some_and(sample)
}

/// Gives a span to the sink.
pub(super) fn deliver(span: Box<SpanData>) {
    let installed = INSTALLED.load_full();
    let Some(installed) = installed else { return };
    let given = || catch_unwind(AssertUnwindSafe(|| installed.sink.ended(span)));
    if thread::without_spans(given).is_err() {
        lost();
    }
}
