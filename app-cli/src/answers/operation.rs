//! Operations: what an app lets operators ask of its services.

use schema::admin_capnp::{OperationEffect, OperationRole, operation_info};
use serde::Serialize;

use super::text;
use crate::output::Hex;

/// An operation of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OperationInfo {
    /// The service; 0 is the app itself.
    pub(crate) service: Hex,
    pub(crate) service_name: String,
    pub(crate) name: String,
    pub(crate) about: String,
    /// The lowest role that may call it.
    pub(crate) role: &'static str,
    /// What it does: `reads`, `changes` or `destroys`.
    pub(crate) effect: &'static str,
    /// Whether a call answers with the id of a job.
    pub(crate) job: bool,
    /// Whether you have the role.
    pub(crate) may_call: bool,
}

impl OperationInfo {
    pub(crate) fn of(info: operation_info::Reader<'_>) -> capnp::Result<Self> {
        Ok(Self {
            service: Hex(info.get_service_id()),
            service_name: text(info.get_service_name())?,
            name: text(info.get_name())?,
            about: text(info.get_about())?,
            role: match info.get_role() {
                Ok(OperationRole::Read) => "read",
                Ok(OperationRole::Operate) => "operate",
                Ok(OperationRole::Admin) => "admin",
                Err(_) => "unknown",
            },
            effect: match info.get_effect() {
                Ok(OperationEffect::Reads) => "reads",
                Ok(OperationEffect::Changes) => "changes",
                // An effect that this release does not know is treated as the worst.
                Ok(OperationEffect::Destroys) | Err(_) => "destroys",
            },
            job: info.get_job(),
            may_call: info.get_may_call(),
        })
    }

    pub(crate) fn only_reads(&self) -> bool {
        self.effect == "reads"
    }
}
