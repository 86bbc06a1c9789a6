//! Tells others that keys ran out, without a call of `acquire` waiting for it.
//!
//! A call hands the message to a bounded queue, or counts it as given up. One task sends what is in the queue. While no server answers,
//! it keeps what it has and tries again, up to [`WAITING`] messages and those on their way. A message that a server refuses is given up.
//! When the service stops, what is left is sent within [`LAST_SENDS`], or given up.

use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::*;
use app_core::trace::TraceContext;
use app_messaging::{Messaging, SendFailure, Sender};
use app_metrics::Counter;
use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::messages::QUOTA_FLEET;
use crate::rate::whole_millis;
use crate::{Exhausted, NOTICES_DROPPED};

/// Messages that wait for their turn.
const WAITING: usize = 1_024;

/// Messages that are sent at once.
const SENT_AT_ONCE: usize = 32;

/// The first and the longest pause before a message is sent again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long sending may go on after the service was killed.
const LAST_SENDS: Duration = Duration::from_secs(2);

/// The least time between two records about messages that were given up.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// A key ran out.
#[derive(Debug)]
pub(crate) struct Notice {
    rule: Arc<str>,
    key: Arc<str>,
    retry_after: Duration,
    at: SystemTime,
    id: String,
    /// Of the call that was denied.
    trace: Option<TraceContext>,
}

impl Notice {
    /// Of a bucket of this instance.
    pub(crate) fn of_instance(rule: &str, key: &str, retry_after: Duration) -> Self {
        let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let at = SystemTime::now();
        Self { rule: rule.into(), key: key.into(), retry_after, at, id, trace: TraceContext::current() }
    }

    /// Of a shared bucket at this revision. Every instance gives the message the same id, so that the stream stores it once.
    pub(crate) fn of_fleet(rule: &Arc<str>, key: &Arc<str>, retry_after: Duration, revision: u64) -> Self {
        let id = format!("{:016x}{revision:016x}", QUOTA_FLEET.as_u64());
        let (rule, key, at) = (Arc::clone(rule), Arc::clone(key), SystemTime::now());
        Self { rule, key, retry_after, at, id, trace: TraceContext::current() }
    }
}

/// Where notices go. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Notices {
    queue: mpsc::Sender<Notice>,
    given_up: GivenUp,
}

/// Counts what is given up, and says so once in a while.
#[derive(Debug, Clone)]
struct GivenUp {
    dropped: Counter,
    log: Logger,
    reported: Arc<Mutex<Option<Instant>>>,
}

impl Notices {
    /// Starts the task `exhausted`.
    pub(crate) fn start(service: &Service, messaging: &Messaging, dropped: &Counter) -> Result<Self, Error> {
        let (queue, taken) = mpsc::channel(WAITING);
        let given_up =
            GivenUp { dropped: dropped.clone(), log: service.log().clone(), reported: Arc::default() };
        let sends = send_all(service.clone(), messaging.sender(), taken, given_up.clone());
        service.spawn("exhausted", sends)?;
        Ok(Self { queue, given_up })
    }

    /// Hands a message over. Never waits.
    pub(crate) fn tell(&self, notice: Notice) {
        if let Err(refused) = self.queue.try_send(notice) {
            let reason = match refused {
                mpsc::error::TrySendError::Full(_) => "too many of them wait to be sent",
                mpsc::error::TrySendError::Closed(_) => "the service stops",
            };
            self.given_up.count(1, reason);
        }
    }
}

impl GivenUp {
    fn count(&self, messages: usize, reason: &str) {
        self.dropped.add(u64::try_from(messages).unwrap_or(u64::MAX));
        let mut reported = self.reported.lock();
        if reported.is_none_or(|when| when.elapsed() >= REPORT_EVERY) {
            *reported = Some(Instant::now());
            warn!(self.log, "messages about exhausted keys were given up"; "event" => NOTICES_DROPPED.hex(), "reason" => reason);
        }
    }
}

async fn send_all(
    service: Service,
    sender: Sender<Exhausted>,
    mut queue: mpsc::Receiver<Notice>,
    given_up: GivenUp,
) {
    let mut sends = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = service.dying() => break,
            Some(()) = sends.next(), if !sends.is_empty() => {}
            Some(notice) = queue.recv(), if sends.len() < SENT_AT_ONCE => {
                sends.push(send(&service, &sender, notice, &given_up));
            }
        }
    }
    queue.close();
    // One more try for each. Nobody waits for them longer than this.
    let last = async {
        loop {
            while sends.len() < SENT_AT_ONCE
                && let Ok(notice) = queue.try_recv()
            {
                sends.push(send(&service, &sender, notice, &given_up));
            }
            if sends.next().await.is_none() {
                break;
            }
        }
    };
    let in_time = timeout(LAST_SENDS, last).await.is_ok();
    let left = queue.len() + sends.len();
    if !in_time && left > 0 {
        given_up.count(left, "the service stops");
    }
}

/// Sends a message until it is stored, or given up.
async fn send(service: &Service, sender: &Sender<Exhausted>, notice: Notice, given_up: &GivenUp) {
    let mut pause = PAUSES.0;
    loop {
        let sent = sender.send_with_id(&notice.id, |message| {
            message.set_rule(&*notice.rule);
            message.set_key(&*notice.key);
            message.set_retry_after_millis(whole_millis(notice.retry_after));
            message.set_at_millis(millis(notice.at));
        });
        let sent = match notice.trace.clone() {
            Some(trace) => trace.scope(sent).await,
            None => sent.await,
        };
        let Err(failed) = sent else { return };
        let again = matches!(failed.failure(), SendFailure::NotSent | SendFailure::MaybeStored);
        if !again {
            return given_up.count(1, failed.reason());
        }
        if !service.alive() {
            return given_up.count(1, "the service stops, and no server answers");
        }
        tokio::select! {
            () = service.dying() => {}
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Milliseconds since 1970.
fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
