//! Events of an app.

use schema::admin_capnp::event;
use serde::Serialize;
use serde_json::Value;

use super::{cut, some_text, text};
use crate::lookup::id_of;
use crate::output::{Hex, Moment};

/// An event of an app.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    /// Its number. Apps without a journal have none.
    pub(crate) number: Option<u64>,
    pub(crate) at: Moment,
    pub(crate) kind: String,
    pub(crate) event_id: Option<Hex>,
    pub(crate) service: Option<Hex>,
    pub(crate) service_name: Option<String>,
    pub(crate) health_check: Option<Hex>,
    pub(crate) health_check_name: Option<String>,
    pub(crate) message: String,
}

impl Event {
    pub(crate) fn of(event: event::Reader<'_>) -> capnp::Result<Self> {
        let id = |id: u64| Some(id).filter(|id| *id != 0).map(Hex);
        Ok(Self {
            number: None,
            at: Moment(event.get_at_millis()),
            kind: text(event.get_kind())?,
            event_id: id(event.get_event_id()),
            service: id(event.get_service_id()),
            service_name: some_text(event.get_service_name())?,
            health_check: id(event.get_health_check_id()),
            health_check_name: some_text(event.get_health_check_name())?,
            message: text(event.get_message())?,
        })
    }

    /// An item of the journal. What is missing or of another type is left empty.
    pub(crate) fn of_journal(item: &Value) -> Self {
        let text = |key: &str| item.get(key).and_then(Value::as_str).map(cut);
        let id = |key: &str| text(key).and_then(|text| id_of(&text)).map(Hex);
        Self {
            number: item.get("number").and_then(Value::as_u64),
            at: moment(item),
            kind: text("kind").unwrap_or_default(),
            event_id: id("event_id"),
            service: id("service"),
            service_name: text("service_name"),
            health_check: id("health_check"),
            health_check_name: text("health_check_name"),
            message: text("message").unwrap_or_default(),
        }
    }
}

/// A time of an item, in milliseconds since 1970.
pub(crate) fn moment(item: &Value) -> Moment {
    Moment(item.get("at_millis").and_then(Value::as_i64).unwrap_or_default())
}
