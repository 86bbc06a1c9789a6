//! Exports what waits in the queue, in batches, until it is told to stop.
//!
//! Invariants:
//! 1. Each span that is taken from the queue is counted once: as exported, or as failed with a reason.
//! 2. One request is on its way at a time. A batch is sent again only if the collector may not have taken it, and not for longer
//!    than [`BATCH_TIME`]. What comes meanwhile waits in the queue, or is dropped and counted there.
//! 3. After the stop every wait ends at the deadline of the stop.
//! 4. A batch that was not taken when there is other work is sent again by that work.
//! 5. However much goes wrong, one record a minute is logged.

mod complaints;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub(crate) use self::complaints::{Complaints, Trouble};
use crate::answer::Answer;
use crate::queue::Queue;
use crate::transport::{Body, Transport};

/// The longest that a span waits for others of its batch.
const LINGER: Duration = Duration::from_secs(1);

/// How long a batch is sent again.
const BATCH_TIME: Duration = Duration::from_secs(60);

/// The first and the longest pause before a batch is sent again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// Writes requests.
pub(crate) trait Encode {
    /// What is exported.
    type Span;

    /// Writes a request with all of these spans.
    fn request(&mut self, spans: &[Self::Span]) -> Body;
}

/// Counts what becomes of spans.
pub(crate) trait Outcomes {
    fn exported(&self, spans: u64);
    fn failed(&self, spans: u64, reason: &'static str);
    fn waiting(&self, spans: usize);
    /// What is wrong at the moment, for the health check. `None` after a batch that was accepted.
    fn trouble(&self, trouble: Option<&str>);
}

/// What the exporter works with. It changes with the config.
pub(crate) struct Work<T, E> {
    pub(crate) transport: T,
    pub(crate) encoder: E,
    /// How long one request may take.
    pub(crate) timeout: Duration,
}

/// The exporter.
pub(crate) struct Exporter<T, E: Encode, O> {
    pub(crate) queue: Arc<Queue<E::Span>>,
    pub(crate) work: Option<Work<T, E>>,
    /// Changes when there is other work.
    pub(crate) changes: watch::Receiver<u64>,
    /// The deadline of the stop, once the stop is ordered.
    pub(crate) stop: watch::Receiver<Option<Instant>>,
    pub(crate) outcomes: O,
    pub(crate) complaints: Complaints,
    /// The collector asked for no request before this time.
    pub(crate) not_before: Option<Instant>,
    /// How many dropped spans were told in the log.
    pub(crate) told_dropped: u64,
    /// A batch with its number of spans, which waits for other work.
    pub(crate) pending: Option<(u64, Body)>,
}

/// What became of a batch.
enum Sent {
    /// The collector took it, but for so many spans, and said this.
    Accepted(u64, String),
    /// A reason in one word and in a sentence.
    Failed(&'static str, String),
    /// There is other work, which the batch waits for.
    Changed,
}

/// Why a request ended.
enum Waited<R> {
    Over(R),
    /// The time of the stop is over.
    Stopped,
}

impl<T: Transport, E: Encode, O: Outcomes> Exporter<T, E, O> {
    /// Runs until the stop. `change` makes the work of a new config; `None` means that nothing is exported.
    pub(crate) async fn run(mut self, mut change: impl FnMut() -> Option<Work<T, E>>) {
        while self.stop_by().is_none() {
            if self.changes.has_changed().unwrap_or(false) {
                self.changes.borrow_and_update();
                self.work = change();
                self.not_before = None;
            }
            self.export_pending().await;
            let mut due = if self.linger().await { self.queue.waiting() } else { 0 };
            while self.goes_on()
                && let Some(batch) = if due > 0 { self.queue.take() } else { self.queue.take_full() }
            {
                due = due.saturating_sub(batch.len());
                self.export(batch).await;
            }
            self.outcomes.waiting(self.queue.waiting());
            self.tell_dropped();
        }
        // Invariant 3.
        self.export_pending().await;
        while let Some(batch) = self.queue.take() {
            self.export(batch).await;
        }
        self.outcomes.waiting(0);
        self.tell_dropped();
    }

    /// Waits until a batch is full, or for as long as a span may wait, or for the stop or other work. Returns whether a span may
    /// have waited for that long.
    async fn linger(&mut self) -> bool {
        let (mut stop, mut changes) = (self.stop.clone(), self.changes.clone());
        let is_on = self.work.is_some();
        tokio::select! {
            // Without a collector there are no spans, and nothing wakes the thread.
            full = timeout(LINGER, self.queue.batch_is_full()), if is_on => full.is_err(),
            _ = stop_time(&mut stop) => false,
            _ = changes.changed() => false,
        }
    }

    fn goes_on(&self) -> bool {
        self.stop_by().is_none() && !self.changes.has_changed().unwrap_or(false)
    }

    /// The deadline of the stop, if the stop was ordered.
    fn stop_by(&self) -> Option<Instant> {
        let ordered = *self.stop.borrow();
        // Without the service nothing is waited for.
        ordered.or_else(|| self.stop.has_changed().is_err().then(Instant::now))
    }

    fn is_late(&self) -> bool {
        self.stop_by().is_some_and(|stop| stop <= Instant::now())
    }

    async fn export(&mut self, batch: Vec<E::Span>) {
        let spans = batch.len() as u64;
        if self.is_late() {
            self.queue.give_back(batch);
            return self.trouble("stopped", spans, "the application stopped before".to_owned());
        }
        let body = self.work.as_mut().map(|work| work.encoder.request(&batch));
        self.queue.give_back(batch);
        self.finish(spans, body).await;
    }

    /// Exports the batch that waits for other work.
    async fn export_pending(&mut self) {
        if let Some((spans, body)) = self.pending.take() {
            let body = self.work.is_some().then_some(body);
            self.finish(spans, body).await;
        }
    }

    async fn finish(&mut self, spans: u64, body: Option<Body>) {
        let Some(body) = body else {
            return self.outcomes.failed(spans, "off");
        };
        match self.send(body.clone()).await {
            Sent::Accepted(rejected, said) => {
                let rejected = rejected.min(spans);
                self.outcomes.exported(spans - rejected);
                if rejected > 0 {
                    let said = if said.is_empty() { said } else { format!(" and said {said}") };
                    self.trouble("rejected", rejected, format!("the collector rejected spans{said}"));
                } else {
                    self.outcomes.trouble(None);
                }
            }
            Sent::Failed(reason, why) => self.trouble(reason, spans, why),
            Sent::Changed => self.pending = Some((spans, body)),
        }
    }

    fn trouble(&mut self, reason: &'static str, spans: u64, why: String) {
        self.outcomes.failed(spans, reason);
        self.outcomes.trouble(Some(&why));
        self.complaints.add(Trouble { failed: spans, why, ..Trouble::default() });
    }

    fn tell_dropped(&mut self) {
        let dropped = self.queue.dropped();
        let new = dropped - self.told_dropped;
        self.told_dropped = dropped;
        if new > 0 {
            let why = "more spans end than the collector takes; raise queueSpans, or sample fewer traces"
                .to_owned();
            self.complaints.add(Trouble { dropped: new, why, ..Trouble::default() });
        } else {
            self.complaints.tell();
        }
    }

    /// Sends a request until it is answered for good (invariant 2), or there is other work.
    async fn send(&mut self, body: Body) -> Sent {
        let began = Instant::now();
        let mut pause = PAUSES.0;
        let mut why = String::new();
        loop {
            if let Some(not_before) = self.not_before {
                self.pause(not_before).await;
            }
            if self.is_late() {
                return Sent::Failed("stopped", stopped(&why));
            }
            if self.stop_by().is_none() && !self.goes_on() {
                return Sent::Changed;
            }
            match self.request(body.clone()).await {
                Waited::Over(Answer::Accepted { rejected, said }) => {
                    self.not_before = None;
                    return Sent::Accepted(rejected, said);
                }
                Waited::Over(Answer::Refused(why)) => {
                    self.not_before = None;
                    return Sent::Failed("refused", why);
                }
                Waited::Over(Answer::Later { after, why: reason }) => {
                    // Jitter, so that a fleet does not come back all at once.
                    let after = after.unwrap_or_else(|| pause.mul_f64(0.5 + fastrand::f64() / 2.0));
                    pause = (pause * 2).min(PAUSES.1);
                    self.not_before = Some(Instant::now() + after);
                    // One attempt may fail, and the next one is fine.
                    if !std::mem::replace(&mut why, reason).is_empty() {
                        self.outcomes.trouble(Some(&why));
                        self.complaints.add(Trouble { why: why.clone(), ..Trouble::default() });
                    }
                }
                Waited::Stopped => return Sent::Failed("stopped", stopped(&why)),
            }
            // After the stop its deadline holds.
            if self.stop_by().is_none() && began.elapsed() + self.left_to_wait() > BATCH_TIME {
                return Sent::Failed("unanswered", why);
            }
        }
    }

    fn left_to_wait(&self) -> Duration {
        self.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Waits until this time, or for other work. The stop makes the wait short.
    async fn pause(&self, until: Instant) {
        let (mut stop, mut changes) = (self.stop.clone(), self.changes.clone());
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            Ok(()) = changes.changed() => {}
            by = stop_time(&mut stop) => {
                tokio::time::sleep_until(until.min(by).min(Instant::now() + PAUSES.0)).await;
            }
        }
    }

    /// One request. A stop shortens it.
    async fn request(&mut self, body: Body) -> Waited<Answer> {
        let mut stop = self.stop.clone();
        let Some(Work { transport, timeout, .. }) = &mut self.work else { return Waited::Stopped };
        let stopped = async {
            let by = stop_time(&mut stop).await;
            tokio::time::sleep_until(by).await;
        };
        tokio::select! {
            biased;
            answer = transport.send(body, *timeout) => Waited::Over(answer),
            () = stopped => Waited::Stopped,
        }
    }
}

/// Waits for the order to stop, and returns its deadline.
async fn stop_time(stop: &mut watch::Receiver<Option<Instant>>) -> Instant {
    // An error means that the service is gone.
    let ordered = stop.wait_for(Option::is_some).await.ok().and_then(|by| *by);
    ordered.unwrap_or_else(Instant::now)
}

fn stopped(why: &str) -> String {
    let before = if why.is_empty() { "the collector did not answer in time" } else { why };
    format!("the application stopped; before, {before}")
}

#[cfg(test)]
mod tests;
