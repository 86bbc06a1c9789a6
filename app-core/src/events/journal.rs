//! The journal: the last events of an app, each with its number, from the first moment on.
//!
//! Most events are kept as they are, and become text when they are read: a service that starts and stops often must not pay
//! for text that nobody reads. Events with errors or reasons of any length become text at once, and are cut.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use app_ids::{HealthCheckId, LogEventId, ServiceId};

use super::{AppEvent, KillReason, ServiceEventKind};
use crate::ring::{Ring, RingSlice};

/// How many events are kept.
const MOST_EVENTS: usize = 1_000;
/// The most bytes of all events that are kept.
const MOST_BYTES: usize = 512 * 1024;
/// The longest message, and the longest name, in bytes.
const MOST_TEXT: usize = 1_024;

/// The last 1,000 events of an app: those of its lifecycle and of its health checks. At most 512 KiB. A cheap handle.
///
/// Each event has a number. Numbers begin at 1 and have no gaps.
///
/// ```
/// # use app_core::{prelude::*, testing::TestApp};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = TestApp::empty().await;
/// let page = app.app().journal().after(0, 100);
/// assert_eq!((page.events[0].number, page.events[0].kind), (1, "app_started"));
/// assert_eq!(page.missed, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Journal(Arc<Ring<Entry>>);

/// An event of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalEvent {
    /// Its number.
    pub number: u64,
    /// When it happened.
    pub at: SystemTime,
    /// What kind of event it is, such as `service_started`.
    pub kind: &'static str,
    /// The id of its log record, if it has one.
    pub event: Option<LogEventId>,
    /// The service that it is about, and its name.
    pub service: Option<(ServiceId, String)>,
    /// The health check that it is about, and its name.
    pub health_check: Option<(HealthCheckId, String)>,
    /// What happened, in one sentence of at most 1 KiB.
    pub message: String,
}

/// Events of the journal, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalPage {
    /// The events.
    pub events: Vec<JournalEvent>,
    /// How many events after the asked number are no longer in the journal.
    pub missed: u64,
    /// The number of the last event of the journal; 0 if there was none.
    pub last: u64,
}

#[derive(Clone)]
struct Entry {
    at: SystemTime,
    what: What,
}

#[derive(Clone)]
enum What {
    /// An event of a service, which becomes text when it is read.
    Plain(ServiceId, Cow<'static, str>, ServiceEventKind),
    Service(ServiceId, Cow<'static, str>, LogEventId, Arc<str>),
    App(LogEventId, Arc<str>),
    Check(Arc<CheckEvent>),
}

struct CheckEvent {
    check: HealthCheckId,
    name: String,
    kind: &'static str,
    event: Option<LogEventId>,
    message: String,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self(Arc::new(Ring::new(MOST_EVENTS, MOST_BYTES)))
    }

    /// Adds an event of a health check, which the kernel does not know of. The texts are cut at 1 KiB.
    ///
    /// `event` is the id of the log record of this event, if it has one.
    pub fn add_of_check(
        &self,
        (check, name): (HealthCheckId, &str),
        (kind, event): (&'static str, Option<LogEventId>),
        message: &str,
    ) {
        let (name, message) = (cut(name).to_owned(), cut(message).to_owned());
        let bytes = name.len() + message.len() + size_of::<CheckEvent>();
        self.add(What::Check(Arc::new(CheckEvent { check, name, kind, event, message })), bytes);
    }

    pub(super) fn add_of_app(&self, event: &AppEvent) {
        let text = cut_text(event.to_string());
        let bytes = text.len();
        self.add(What::App(event.log_event_id(), text), bytes);
    }

    pub(super) fn add_of_service(&self, id: ServiceId, name: Cow<'static, str>, kind: &ServiceEventKind) {
        // A name of any length may come from the author of the service.
        let name = if name.len() > MOST_TEXT { Cow::Owned(cut(&name).to_owned()) } else { name };
        let name_bytes = if matches!(name, Cow::Owned(_)) { name.len() } else { 0 };
        if is_small(kind) {
            return self.add(What::Plain(id, name, kind.clone()), name_bytes);
        }
        let text = cut_text(kind.to_string());
        let bytes = name_bytes + text.len();
        self.add(What::Service(id, name, kind.log_event_id(), text), bytes);
    }

    fn add(&self, what: What, bytes: usize) {
        self.0.push(Entry { at: SystemTime::now(), what }, bytes + size_of::<Entry>());
    }

    /// The first events after this number, at most `most` of them. Number 0 is before the first event.
    #[must_use]
    pub fn after(&self, number: u64, most: usize) -> JournalPage {
        let RingSlice { items, missed, last } = self.0.after(number, most);
        let events = items.into_iter().map(|(number, entry)| entry.event(number)).collect();
        JournalPage { events, missed, last }
    }

    /// Waits until there is an event after this number.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn news_after(&self, number: u64) {
        self.0.news_after(number).await;
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("last", &self.0.last()).finish_non_exhaustive()
    }
}

impl Entry {
    fn event(self, number: u64) -> JournalEvent {
        let at = self.at;
        let of = |event: LogEventId, service, message| JournalEvent {
            number,
            at,
            kind: event.name().unwrap_or_default(),
            event: Some(event),
            service,
            health_check: None,
            message,
        };
        match self.what {
            What::Plain(id, name, kind) => {
                of(kind.log_event_id(), Some((id, name.into_owned())), cut(&kind.to_string()).to_owned())
            }
            What::Service(id, name, event, text) => {
                of(event, Some((id, name.into_owned())), text.as_ref().to_owned())
            }
            What::App(event, text) => of(event, None, text.as_ref().to_owned()),
            What::Check(event) => JournalEvent {
                number,
                at,
                kind: event.kind,
                event: event.event,
                service: None,
                health_check: Some((event.check, event.name.clone())),
                message: event.message.clone(),
            },
        }
    }
}

/// Whether the event holds no memory of its own, so that keeping it is cheap.
fn is_small(kind: &ServiceEventKind) -> bool {
    matches!(
        kind,
        ServiceEventKind::Registered
            | ServiceEventKind::Starting
            | ServiceEventKind::Started { .. }
            | ServiceEventKind::Killed { reason: KillReason::Requested(Cow::Borrowed(_)) }
            | ServiceEventKind::Stopping
            | ServiceEventKind::Stopped { failure: None }
            | ServiceEventKind::Unregistered
            | ServiceEventKind::Restarted { .. }
    )
}

fn cut(text: &str) -> &str {
    let end = (0..=MOST_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn cut_text(text: String) -> Arc<str> {
    if text.len() <= MOST_TEXT { text.into() } else { cut(&text).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StopCause;

    const QUOTA: ServiceId = ServiceId::new(0xce1f);
    const CHECK: HealthCheckId = HealthCheckId::new(0xc1);

    #[test]
    fn each_event_is_there_with_its_number_and_as_a_sentence() {
        let journal = Journal::new();
        journal.add_of_service(QUOTA, "quota".into(), &ServiceEventKind::Registered);
        let reason = KillReason::from("a reason".to_owned());
        journal.add_of_service(QUOTA, "quota".into(), &ServiceEventKind::Killed { reason });
        journal.add_of_check((CHECK, "disk"), ("healthcheck_result", None), "is healthy");
        journal.add_of_app(&AppEvent::Stopping { cause: StopCause::Killed("enough".to_owned()) });
        let JournalPage { events, missed, last } = journal.after(0, 10);
        let told: Vec<_> = events.iter().map(|e| (e.number, e.kind, e.message.as_str())).collect();
        let expected = [
            (1, "service_registered", "registered"),
            (2, "service_killed", "was killed: a reason"),
            (3, "healthcheck_result", "is healthy"),
            (4, "app_stopping", "the application stops: killed: enough"),
        ];
        assert_eq!((told.as_slice(), missed, last), (expected.as_slice(), 0, 4));
        assert_eq!(events[0].service, Some((QUOTA, "quota".to_owned())));
        assert_eq!(events[2].health_check, Some((CHECK, "disk".to_owned())));
        assert_eq!(journal.after(2, 1).events, events[2..3]);
    }

    #[test]
    fn texts_of_any_length_are_cut_and_all_of_them_have_a_limit() {
        let journal = Journal::new();
        let long = "ä".repeat(10_000);
        for _ in 0..2_000 {
            let reason = KillReason::from(long.clone());
            journal.add_of_service(QUOTA, long.clone().into(), &ServiceEventKind::Killed { reason });
        }
        let page = journal.after(0, usize::MAX);
        let kept = page.events.len();
        assert!((100..1_000).contains(&kept), "{kept}");
        assert_eq!((page.missed, page.last), (2_000 - kept as u64, 2_000));
        for event in page.events {
            let (_, name) = event.service.unwrap();
            assert!(name.len() <= MOST_TEXT && event.message.len() <= MOST_TEXT);
        }
    }
}
