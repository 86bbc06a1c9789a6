//! The identity of an app.

use schema::admin_capnp::identity;
use serde::Serialize;

use super::{some_text, text};
use crate::output::{Hex, Moment, seconds};

/// The identity of an app.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) platform_version: String,
    pub(crate) domain: Hex,
    pub(crate) app: Hex,
    pub(crate) release: Hex,
    pub(crate) instance: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) started_at: Option<Moment>,
    pub(crate) uptime_seconds: f64,
    #[serde(skip)]
    pub(crate) uptime_millis: u64,
}

impl Identity {
    pub(crate) fn of(identity: identity::Reader<'_>) -> capnp::Result<Self> {
        let instance = text(identity.get_instance_id())?;
        Ok(Self {
            name: text(identity.get_name())?,
            version: some_text(identity.get_version())?,
            platform_version: text(identity.get_platform_version())?,
            domain: Hex(identity.get_domain_id()),
            app: Hex(identity.get_app_id()),
            release: Hex(identity.get_release_id()),
            instance: format!("0x{}", instance.trim_start_matches("0x")),
            host: text(identity.get_host())?,
            pid: identity.get_pid(),
            started_at: Moment::known(identity.get_started_on_millis()),
            uptime_seconds: seconds(identity.get_uptime_millis()),
            uptime_millis: identity.get_uptime_millis(),
        })
    }
}
