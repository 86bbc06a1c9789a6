//! Takes the context of a caller to where its work runs: another thread, a little later.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;

use super::context::TraceContext;
use super::dispatcher;
use super::table;
use super::thread::{self, Current};

/// The span of a caller, for work that another thread does for it.
///
/// Work runs inside the span: what it records with [`tracing::Span::current`](https://docs.rs/tracing/0.1/tracing/struct.Span.html)
/// is recorded there. The span does not wait for the work. Once the span has ended, the work is in its context alone.
///
/// ```
/// use std::sync::mpsc::SyncSender;
/// use app_core::trace::CallerSpan;
///
/// type Job = Box<dyn FnOnce() + Send>;
///
/// /// Gives a job to the thread that has the other end of the queue.
/// fn hand_over(queue: &SyncSender<Job>, job: impl FnOnce() + Send + 'static) {
///     let caller = CallerSpan::here();
///     let _ = queue.try_send(Box::new(move || caller.run(job)));
/// }
/// ```
#[derive(Clone)]
pub struct CallerSpan(Option<Current>);

impl CallerSpan {
    /// The span of the running code, if it is inside of one.
    #[must_use]
    pub fn here() -> Self {
        Self(if super::in_use() { thread::top() } else { None })
    }

    /// No span, for work that runs in another context than that of the code around it.
    pub(crate) fn nothing() -> Self {
        Self(Some(Current::of(None)))
    }

    /// Whether the code was inside of no span.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Calls a function in the span.
    pub fn run<T>(&self, function: impl FnOnce() -> T) -> T {
        let Some(caller) = &self.0 else { return function() };
        let mut caller = caller.clone();
        let handle = (caller.id != 0 && table::upgrade(caller.id)).then(|| SpanHandle(caller.id));
        if handle.is_none() {
            caller.id = 0;
        }
        let _inside = thread::attach(caller);
        function()
    }

    /// Runs a future in the span, on whichever thread it is polled.
    ///
    /// # Cancel safety
    /// As cancel safe as the future.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|polled| self.run(|| future.as_mut().poll(polled))).await
    }
}

impl fmt::Debug for CallerSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallerSpan")
            .field(&self.0.as_ref().and_then(|caller| caller.context.as_ref()))
            .finish()
    }
}

/// A handle of a span, given back in its drop.
struct SpanHandle(u64);

impl Drop for SpanHandle {
    fn drop(&mut self) {
        dispatcher::close(self.0);
    }
}

/// The context for a task that is spawned here. It is shared by all polls of the task.
pub(crate) struct TaskContext(Box<TraceContext>);

impl TaskContext {
    pub(crate) fn here() -> Option<Self> {
        thread::for_task().map(|context| Self(Box::new(context)))
    }

    /// Runs one poll of the task.
    pub(crate) fn run<T>(&self, function: impl FnOnce() -> T) -> T {
        let _inside = thread::attach(Current::of(Some((*self.0).clone())));
        function()
    }
}
