//! The operation `app logs`: the last records of the log, page by page.

use app_errors::{Error, illegal_argument_error};
use app_ids::ServiceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::{checked, known, millis_of, wait_for};
use crate::{
    APP_SERVICE, App, LogLevel, Service,
    log::{RecentPage, RecentRecord},
    operations::Args,
    spec::ServiceSpec,
};

crate::operation! {
    of: APP_SERVICE,
    name: "logs",
    role: Operate,
    effect: Reads,
    about: "Shows the last records of the log, and waits for new ones.",
    run: logs,
}

/// How many records are read at a time.
const PIECE: usize = 256;
/// The most bytes of records in a page. In JSON the message is there twice.
const MOST_BYTES: usize = 192 * 1024;
/// The longest text to search for, in bytes.
const MOST_GREP: usize = 1_024;
/// How many services an error names.
const MOST_NAMES: usize = 20;

/// Which records to show.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct RecordsWanted {
    /// Number of the last record that you know; 0, the default, is before the first one.
    #[serde(default)]
    after: u64,
    /// The most records of a page, from 1 to 1000; 200 by default.
    #[serde(default)]
    limit: Option<u32>,
    /// How long to wait for a record if there is no new one, in milliseconds, up to 30000; 0 by default.
    #[serde(default)]
    wait_millis: Option<u32>,
    /// Only records of this service, by name or id (`0x..`); `app` for those of no service.
    #[serde(default)]
    service: Option<String>,
    /// Only records of this level and above: `debug`, `info`, `warn` or `error`.
    #[serde(default)]
    level: Option<String>,
    /// Only records with this text in the message, a key or a value. Upper and lower case differ.
    #[serde(default)]
    grep: Option<String>,
}

/// A page of records, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RecordsPage {
    items: Vec<RecordItem>,
    /// The number to ask with for the next page (`after`).
    next: u64,
    /// How many records after the asked number are no longer there, whatever their service and level.
    missed: u64,
    /// How many records of the process were dropped since its start, because the sink of its log did not take them.
    dropped: u64,
    /// The id of the process, in hex. Another process has other numbers.
    instance: String,
}

/// A record of the log.
#[derive(Debug, Serialize, JsonSchema)]
struct RecordItem {
    /// Its number, from 1 on without gaps.
    number: u64,
    /// When it was logged, in milliseconds since 1970 (UTC).
    at_millis: u64,
    /// `debug`, `info`, `warn` or `error`.
    level: String,
    /// The id of the service that logged it, as `0x..`; `null` for the application itself.
    service: Option<String>,
    service_name: Option<String>,
    /// The message. In a log for people, the whole line.
    message: String,
    /// The whole record; `null` if the log is for people (`--log-format term`).
    record: Option<Value>,
}

async fn logs(app: App, wanted: Args<RecordsWanted>) -> Result<RecordsPage, Error> {
    let wanted = wanted.into_inner();
    let (limit, wait) = checked(wanted.limit, wanted.wait_millis)?;
    let filter = RecordFilter::of(&app, &wanted)?;
    let until = Instant::now() + wait;
    known("record", wanted.after, app.log().recent(u64::MAX, 0).last)?;
    let mut found = RecordsFound { items: Vec::new(), next: wanted.after, missed: 0 };
    loop {
        found.collect(&app, &filter, limit).await;
        let left = until.saturating_duration_since(Instant::now());
        if !found.items.is_empty() || left.is_zero() {
            break;
        }
        wait_for(&app, app.log().recent_news(found.next), left).await;
        if !app.alive() {
            found.collect(&app, &filter, limit).await;
            break;
        }
    }
    let RecordsFound { items, next, missed } = found;
    Ok(RecordsPage { items, next, missed, dropped: app.log().dropped(), instance: app.instance().hex() })
}

struct RecordsFound {
    items: Vec<RecordItem>,
    next: u64,
    missed: u64,
}

impl RecordsFound {
    /// Adds the records after `next` that the filter selects, until there are enough.
    async fn collect(&mut self, app: &App, filter: &RecordFilter, limit: usize) {
        let mut bytes = 0;
        loop {
            let RecentPage { records, missed, .. } = app.log().recent(self.next, PIECE);
            self.missed += missed;
            if records.is_empty() {
                return;
            }
            for record in records {
                self.next = record.number;
                if !filter.may_select(&record) {
                    continue;
                }
                let line_bytes = record.line.len();
                let item = RecordItem::of(app, record);
                if filter.finds(&item) {
                    bytes += line_bytes;
                    self.items.push(item);
                }
                if self.items.len() >= limit || bytes >= MOST_BYTES {
                    return;
                }
            }
            // A large ring must not keep a worker thread from other tasks.
            tokio::task::yield_now().await;
        }
    }
}

/// Which records are shown.
struct RecordFilter {
    /// `Some(None)` for records of no service.
    service: Option<Option<ServiceId>>,
    level: LogLevel,
    grep: Option<String>,
}

impl RecordFilter {
    fn of(app: &App, wanted: &RecordsWanted) -> Result<Self, Error> {
        let level = wanted.level.as_deref().map_or(Ok(LogLevel::Debug), |level| {
            let wrong =
                |_| format!("arguments.level: {level:?} is no level; give debug, info, warn or error");
            level.trim().parse().map_err(|error| illegal_argument_error(wrong(error)))
        })?;
        let grep = wanted.grep.clone().filter(|grep| !grep.is_empty());
        if let Some(grep) = grep.as_ref().filter(|grep| grep.len() > MOST_GREP) {
            let wrong = format!("arguments.grep: has {} bytes; give at most {MOST_GREP}", grep.len());
            return Err(illegal_argument_error(wrong));
        }
        let service = wanted.service.as_deref().map(|service| service_of(app, service)).transpose()?;
        Ok(Self { service, level, grep })
    }

    /// What can be decided without reading the line.
    fn may_select(&self, record: &RecentRecord) -> bool {
        record.level >= self.level && self.service.is_none_or(|service| record.service == service)
    }

    fn finds(&self, item: &RecordItem) -> bool {
        let Some(grep) = &self.grep else { return true };
        item.message.contains(grep) || item.record.as_ref().is_some_and(|record| has_text(record, grep))
    }
}

/// Whether a text is in a key or a value.
fn has_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value.contains(text),
        Value::Array(items) => items.iter().any(|item| has_text(item, text)),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| key.contains(text) || has_text(value, text))
        }
        value => value.to_string().contains(text),
    }
}

/// The service that a caller names; `None` for the app itself.
fn service_of(app: &App, wanted: &str) -> Result<Option<ServiceId>, Error> {
    if wanted == "app" {
        return Ok(None);
    }
    let specs = app.service_specs().iter().map(|spec| (spec.id(), spec.name().to_owned()));
    let made = app.services().into_iter().map(|service| (service.id(), service.name().to_owned()));
    let mut known: Vec<(ServiceId, String)> = specs.chain(made).collect();
    known.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    known.dedup();
    let named: Vec<_> = known.iter().filter(|(_, name)| name == wanted).collect();
    match named.as_slice() {
        [(id, _)] => return Ok(Some(*id)),
        [] => {}
        several => {
            let ids: Vec<_> = several.iter().map(|(id, _)| format!("{id:#x}")).collect();
            let wrong = format!(
                "arguments.service: several services are called {wanted:?}; give one of the ids {}",
                ids.join(", ")
            );
            return Err(illegal_argument_error(wrong));
        }
    }
    // Services that were made at run time may be gone, and their records are still there.
    if let Ok(id) = wanted.parse::<ServiceId>() {
        return Ok((!id.is_zero()).then_some(id));
    }
    let names: Vec<_> = known.iter().take(MOST_NAMES).map(|(_, name)| name.as_str()).collect();
    let more = if known.len() > MOST_NAMES { " and more" } else { "" };
    let shown: String = wanted.chars().take(100).collect();
    let wrong = format!("arguments.service: no service {shown:?}; there are app, {}{more}", names.join(", "));
    Err(illegal_argument_error(wrong))
}

impl RecordItem {
    fn of(app: &App, record: RecentRecord) -> Self {
        let RecentRecord { number, at, level, service, line } = record;
        let parsed: Option<Value> = serde_json::from_str(&line).ok().filter(Value::is_object);
        let text = |key: &str| parsed.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let logged = text("time").and_then(|time| humantime::parse_rfc3339(&time).ok());
        let name = || {
            let id = service?;
            let running = app.service(id).map(|service| Service::name(&service).to_owned());
            running.or_else(|| {
                let mut specs = app.service_specs().iter();
                specs.find(|spec| spec.id() == id).map(ServiceSpec::name).or(id.name()).map(str::to_owned)
            })
        };
        Self {
            number,
            at_millis: millis_of(logged.unwrap_or(at)),
            level: level.as_str().to_lowercase(),
            service: service.map(|id| format!("{id:#x}")),
            service_name: text("svc_name").or_else(name),
            message: text("message").unwrap_or(line),
            record: parsed,
        }
    }
}
