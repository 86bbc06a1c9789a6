//! What came of reading configs.

use capnp::struct_list;
use schema::admin_capnp::config_status;
use serde::Serialize;

use super::{some_text, text};
use crate::output::Hex;

/// What came of the last reading of a config.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Config {
    pub(crate) service: Hex,
    pub(crate) name: String,
    pub(crate) from_file: bool,
    pub(crate) taken: bool,
    pub(crate) waiting: bool,
    pub(crate) reloadable: bool,
    pub(crate) problem: Option<String>,
    pub(crate) reloads: u64,
    pub(crate) refusals: u64,
}

impl Config {
    pub(crate) fn all(list: struct_list::Reader<'_, config_status::Owned>) -> capnp::Result<Vec<Self>> {
        list.iter().map(Self::of).collect()
    }

    fn of(status: config_status::Reader<'_>) -> capnp::Result<Self> {
        Ok(Self {
            service: Hex(status.get_service_id()),
            name: text(status.get_name())?,
            from_file: status.get_from_file(),
            taken: status.get_taken(),
            waiting: status.get_waiting(),
            reloadable: status.get_reloadable(),
            problem: some_text(status.get_problem())?,
            reloads: status.get_reloads(),
            refusals: status.get_refusals(),
        })
    }
}
