//! Leadership: one instance of the fleet does something, by compare-and-set on a bucket.
//!
//! Invariants:
//!
//! 1. A leader's work is cancelled when the last renewal that is known to have succeeded was asked for a lease ago. The time counts
//!    from before the request, on the leader's own monotonic clock.
//! 2. A follower takes over only after it saw one revision unchanged for a lease and a quarter, on its own monotonic clock. No two
//!    clocks are compared.
//! 3. The term is the revision at take-over. Revisions only rise, so terms do, as long as the bucket is there. One that was lost and made
//!    anew begins with low ones.
//!
//! A frozen process can overlap with the next leader: it does not run, so it cannot cancel its work. So side effects carry the term,
//! and what they change refuses a term that is older than the last one that it saw.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::ids::{LEADERS, LEADERSHIP, MESSAGING_SERVICE_ID};
use crate::place::Place;
use crate::provision;
use crate::transport::{BucketConfig, Expected, RawEntry, TransportError, Watch};
use crate::wire::{bucket_name, consumer_name, hex_of, is_consumer_name};

/// The shortest lease.
const SHORTEST: Duration = Duration::from_secs(1);

/// The most bytes of an entry.
const MAX_VALUE_BYTES: usize = 256;

/// The longest pause between two looks without a watch.
const SHORT: Duration = Duration::from_millis(900);

/// The pause after a call failed.
const PAUSE: Duration = Duration::from_millis(200);

/// A term of leadership. A later leader has a higher one. Send it along with side effects, so that what they change can refuse those
/// of an earlier leader.
///
/// Terms rise as long as their bucket is there. After its servers lost it, they begin again with low numbers: what refuses older terms
/// has to be told then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(u64);

impl Term {
    /// The number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A leadership, before this instance stands for it.
#[must_use = "nobody stands for it before `run`"]
pub struct Leadership {
    context: Arc<Context>,
    name: String,
    lease: Duration,
}

impl Leadership {
    pub(crate) fn new(context: Arc<Context>, name: String, lease: Duration) -> Self {
        Self { context, name, lease: lease.max(SHORTEST) }
    }

    /// Stands for the leadership until the service ends. Each time that this instance leads, the function runs. Its future is dropped
    /// when the leadership is lost. When it ends with success, the leadership is given up, and this instance stands for it again.
    ///
    /// **A frozen process can overlap with the next leader**: see [`Term`].
    ///
    /// # Errors
    /// `IllegalArgument` when the name is not 1 to 64 characters of `[a-z0-9_-]`. `ServiceNotAlive` when the service is dead. An
    /// error of the function fails the service.
    pub fn run<F, Run>(self, service: &Service, work: F) -> Result<(), Error>
    where
        F: Fn(Term) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), Error>> + Send + 'static,
    {
        if !is_consumer_name(&self.name) {
            let message = format!(
                "leadership {:?}: a name has 1 to 64 characters of a-z, 0-9, _ and -; choose another",
                self.name
            );
            return Err(errors::ILLEGAL_ARGUMENT.error(MESSAGING_SERVICE_ID).message(message).build());
        }
        let me = service.clone();
        let key = consumer_name(service.id(), &self.name);
        let stands = Stands {
            bucket: bucket_name(self.context.identity.domain, LEADERS),
            // Unique, so that a stand never takes the entry of another one of this instance for its own.
            mine: format!("{}.{:016x}", self.context.identity.instance, app_ids::random_u64()).into(),
            leads: self.context.metrics.leads.with([key.as_str()])?,
            hex: hex_of(&key),
            key,
            context: self.context,
            lease: self.lease,
            service: me,
        };
        service.spawn(format!("leadership {}", self.name), async move {
            if stands.context.place == Place::NoServer {
                // Nobody leads. The service has said why, and the cure.
                stands.service.dying().await;
                return Ok(());
            }
            stands.run(work).await
        })
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership")
            .field("name", &self.name)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

struct Stands {
    context: Arc<Context>,
    service: Service,
    key: String,
    /// The key in the bucket.
    hex: String,
    bucket: String,
    mine: Bytes,
    lease: Duration,
    leads: app_metrics::Gauge,
}

impl Stands {
    async fn run<F, Run>(&self, work: F) -> Result<(), Error>
    where
        F: Fn(Term) -> Run,
        Run: Future<Output = Result<(), Error>>,
    {
        loop {
            let taken = tokio::select! {
                biased;
                () = self.service.dying() => return Ok(()),
                taken = self.take() => taken,
            };
            let (term, renewed) = taken;
            self.leads.set(1.0);
            info!(self.service.log(), "this instance leads"; "event" => LEADERSHIP.hex(), "leadership" => &self.key, "term" => term.0);
            let last = parking_lot::Mutex::new(term.0);
            let ended = tokio::select! {
                biased;
                () = self.service.dying() => None,
                () = self.keep(&last, renewed) => {
                    warn!(self.service.log(), "the leadership is lost: it could not be renewed in time"; "event" => LEADERSHIP.hex(), "leadership" => &self.key, "term" => term.0);
                    self.leads.set(0.0);
                    continue;
                }
                ended = work(term) => Some(ended),
            };
            self.leads.set(0.0);
            // The work is over, or was dropped: others may lead at once.
            let revision = *last.lock();
            // If it does not arrive, the lease ends by itself.
            let _ = self.put(None, Expected::Revision(revision)).await;
            match ended {
                None => return Ok(()),
                Some(ended) => ended?,
            }
            info!(self.service.log(), "this instance gave the leadership up"; "event" => LEADERSHIP.hex(), "leadership" => &self.key, "term" => term.0);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn put(&self, value: Option<Bytes>, expected: Expected) -> Result<u64, TransportError> {
        let within = self.lease / 4;
        let put = self.context.transport.bucket_put(&self.bucket, &self.hex, value, expected, within);
        timeout(within, put).await.unwrap_or(Err(TransportError::NoAnswer))
    }

    async fn get(&self) -> Result<Option<RawEntry>, TransportError> {
        let get = self.context.transport.bucket_get(&self.bucket, &self.hex);
        timeout(self.lease / 4, get).await.unwrap_or(Err(TransportError::NoAnswer))
    }

    /// Makes the bucket, if it is missing. Returns whether it is there.
    async fn ensure(&self) -> bool {
        let config = BucketConfig {
            name: self.bucket.clone(),
            history: 1,
            max_value_bytes: MAX_VALUE_BYTES,
            max_age: Duration::ZERO,
            max_bytes: 0,
        };
        let made = provision::bucket(&*self.context.transport, &config, self.context.streams.provisioning());
        matches!(timeout(self.lease, made).await, Ok(Ok(())))
    }

    /// Waits until this instance leads. Returns the term, and when it was asked for.
    async fn take(&self) -> (Term, Instant) {
        while !self.ensure().await {
            tokio::time::sleep(PAUSE).await;
        }
        let mut watch = None;
        // The revision that was seen last, and since when.
        let mut seen: Option<(u64, Instant)> = None;
        loop {
            let expected = match self.get().await {
                Ok(None | Some(RawEntry { value: None, .. })) => Some(Expected::Absent),
                Ok(Some(RawEntry { revision, .. })) => {
                    let now = Instant::now();
                    let since = seen.filter(|(last, _)| *last == revision).map_or(now, |(_, since)| since);
                    seen = Some((revision, since));
                    // Invariant 2.
                    (now.duration_since(since) >= self.lease + self.lease / 4)
                        .then_some(Expected::Revision(revision))
                }
                // While nothing is known, time that passes counts for nothing.
                Err(error) => {
                    (seen, watch) = (None, None);
                    if matches!(error, TransportError::NotFound(_)) {
                        // The server lost it.
                        self.ensure().await;
                    }
                    None
                }
            };
            if let Some(expected) = expected {
                let asked = Instant::now();
                // An unanswered take-over may have happened. Then the key is seen with its new revision, and expires as any other.
                if let Ok(revision) = self.put(Some(self.mine.clone()), expected).await {
                    return (Term(revision), asked);
                }
            }
            self.until_it_may_be_free(&mut watch, seen).await;
        }
    }

    /// Waits for the next look: until the entry changes, as when the leader gives up, or its lease may be over. A watch may be dead
    /// without a sign. So that costs time only, there is a look at every half of the lease.
    async fn until_it_may_be_free(&self, watch: &mut Option<Box<dyn Watch>>, seen: Option<(u64, Instant)>) {
        if watch.is_none() {
            let opened = self.context.transport.bucket_watch(&self.bucket, Some(&self.hex));
            *watch = timeout(self.lease / 4, opened).await.ok().and_then(Result::ok);
        }
        let now = Instant::now();
        let over = seen.map_or(now + PAUSE, |(_, since)| since + self.lease + self.lease / 4);
        let Some(open) = watch else {
            let pause = (self.lease / 8).mul_f64(0.75 + fastrand::f64() / 2.0).min(SHORT);
            return tokio::time::sleep(pause).await;
        };
        let news = async {
            loop {
                match open.next().await {
                    // What is known already comes first.
                    Ok(Some(entry)) if seen.is_some_and(|(revision, _)| entry.revision <= revision) => {}
                    Ok(Some(_)) => return true,
                    Ok(None) | Err(_) => return false,
                }
            }
        };
        let look = (now + self.lease / 2).min(over.max(now + self.lease / 32));
        match tokio::time::timeout_at(look, news).await {
            Ok(true) | Err(_) => {}
            Ok(false) => {
                *watch = None;
                tokio::time::sleep(PAUSE.min(self.lease / 8)).await;
            }
        }
    }

    /// Renews until that is impossible. Invariant 1.
    async fn keep(&self, last: &parking_lot::Mutex<u64>, mut renewed: Instant) {
        loop {
            let left = (renewed + self.lease).saturating_duration_since(Instant::now());
            let next = (renewed + self.lease / 3).saturating_duration_since(Instant::now());
            tokio::time::sleep(next.min(left)).await;
            let expires = renewed + self.lease;
            let asked = Instant::now();
            if asked >= expires {
                return;
            }
            let revision = *last.lock();
            let put = tokio::time::timeout_at(
                expires,
                self.put(Some(self.mine.clone()), Expected::Revision(revision)),
            );
            match put.await {
                Err(_) => return,
                Ok(Ok(revision)) => {
                    *last.lock() = revision;
                    renewed = asked;
                }
                // Another took over; or an earlier renewal succeeded, and its answer was lost.
                Ok(Err(TransportError::WrongRevision)) => {
                    let found = tokio::time::timeout_at(expires, self.get()).await;
                    match found {
                        Ok(Ok(Some(entry))) if entry.value.as_ref() == Some(&self.mine) => {
                            *last.lock() = entry.revision
                        }
                        Ok(Err(_)) => tokio::time::sleep(PAUSE.min(self.lease / 8)).await,
                        _ => return,
                    }
                }
                Ok(Err(_)) => tokio::time::sleep(PAUSE.min(self.lease / 8)).await,
            }
        }
    }
}

#[cfg(test)]
mod tests;
