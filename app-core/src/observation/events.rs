//! The operation `app events`: the journal, page by page.

use app_errors::Error;
use app_ids::{HealthCheckId, LogEventId, ServiceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{checked, known, millis_of, wait_for};
use crate::{
    APP_SERVICE, App,
    events::{JournalEvent, JournalPage},
    operations::Args,
};

crate::operation! {
    of: APP_SERVICE,
    name: "events",
    role: Read,
    effect: Reads,
    about: "Shows the last 1,000 events of the process, and waits for new ones.",
    run: events,
}

/// The most bytes of a page in JSON.
const MOST_BYTES: usize = 512 * 1024;

/// Which events to show.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct EventsWanted {
    /// Number of the last event that you know; 0, the default, is before the first one.
    #[serde(default)]
    after: u64,
    /// The most events of a page, from 1 to 1000; 200 by default.
    #[serde(default)]
    limit: Option<u32>,
    /// How long to wait for an event if there is no new one, in milliseconds, up to 30000; 0 by default.
    #[serde(default)]
    wait_millis: Option<u32>,
}

/// A page of events, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EventsPage {
    items: Vec<EventItem>,
    /// The number to ask with for the next page (`after`).
    next: u64,
    /// How many events after the asked number are no longer there.
    missed: u64,
    /// The id of the process, in hex. Another process has other numbers.
    instance: String,
}

/// An event.
#[derive(Debug, Serialize, JsonSchema)]
struct EventItem {
    /// Its number, from 1 on without gaps.
    number: u64,
    /// When it happened, in milliseconds since 1970 (UTC).
    at_millis: u64,
    /// What kind of event it is, such as `service_started`.
    kind: String,
    /// The id of its log record as `0x..`, if it has one.
    event_id: Option<String>,
    /// The id of the service that it is about, as `0x..`.
    service: Option<String>,
    service_name: Option<String>,
    /// The id of the health check that it is about, as `0x..`.
    health_check: Option<String>,
    health_check_name: Option<String>,
    /// What happened, in one sentence.
    message: String,
}

async fn events(app: App, wanted: Args<EventsWanted>) -> Result<EventsPage, Error> {
    let EventsWanted { after, limit, wait_millis } = wanted.into_inner();
    let (limit, wait) = checked(limit, wait_millis)?;
    let until = Instant::now() + wait;
    let journal = app.journal();
    let mut page = journal.after(after, limit);
    known("event", after, page.last)?;
    if page.events.is_empty() && !wait.is_zero() {
        let left = until.saturating_duration_since(Instant::now());
        wait_for(&app, journal.news_after(after), left).await;
        page = journal.after(after, limit);
    }
    let JournalPage { events, missed, .. } = page;
    let (mut items, mut next, mut bytes) = (Vec::new(), after, 0);
    for event in events {
        let (number, item) = (event.number, EventItem::from(event));
        bytes += item.bytes();
        if bytes > MOST_BYTES && !items.is_empty() {
            break;
        }
        next = number;
        items.push(item);
    }
    Ok(EventsPage { items, next, missed, instance: app.instance().hex() })
}

impl From<JournalEvent> for EventItem {
    fn from(event: JournalEvent) -> Self {
        let JournalEvent { number, at, kind, event, service, health_check, message } = event;
        let (service, service_name) = named(service, ServiceId::as_u64);
        let (health_check, health_check_name) = named(health_check, HealthCheckId::as_u64);
        Self {
            number,
            at_millis: millis_of(at),
            kind: kind.to_owned(),
            event_id: event.map(LogEventId::as_u64).map(hex),
            service,
            service_name,
            health_check,
            health_check_name,
            message,
        }
    }
}

impl EventItem {
    /// How long it is in JSON, at most. A character may take six bytes there.
    fn bytes(&self) -> usize {
        let json =
            |text: &Option<String>| text.as_ref().map_or(0, |text| serde_json::json!(text).to_string().len());
        // The names of the fields, the numbers and the ids.
        const FRAME: usize = 320;
        FRAME
            + json(&self.service_name)
            + json(&self.health_check_name)
            + serde_json::json!(self.message).to_string().len()
    }
}

fn named<Id>(of: Option<(Id, String)>, number: fn(Id) -> u64) -> (Option<String>, Option<String>) {
    of.map(|(id, name)| (hex(number(id)), name)).unzip()
}

fn hex(id: u64) -> String {
    format!("{id:#x}")
}
