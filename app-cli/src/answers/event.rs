//! Events of an app.

use schema::admin_capnp::event;
use serde::Serialize;

use super::{some_text, text};
use crate::output::{Hex, Moment};

/// An event of an app.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
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
}
