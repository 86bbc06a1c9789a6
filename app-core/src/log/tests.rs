//! Tests of the log. None depends on timing: each waits for an event, with a deadline.

mod arbitrary;
mod bridges;
mod levels;
mod limits;
mod receipts;
mod recent;
mod records;
mod sinks;
mod terminal;

use std::time::Duration;

use app_ids::{AppId, DomainId, InstanceId, ReleaseId, ServiceId};
use slog::Logger;

use super::{CapturedLog, Log, LogLevel};
use crate::Identity;

/// Far longer than any of these tests needs.
const DEADLINE: Duration = Duration::from_secs(60);

const QUOTA: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

fn identity() -> Identity {
    Identity {
        domain: DomainId::new(0xd0),
        app: AppId::new(0xa1),
        release: ReleaseId::new(0x7e),
        instance: InstanceId::new(0x1),
    }
}

fn captured() -> (Log, CapturedLog, Logger) {
    let (log, captured) = Log::captured(&identity(), LogLevel::Debug);
    let logger = log.logger();
    (log, captured, logger)
}

/// The only record of a log.
fn only(captured: &CapturedLog) -> serde_json::Value {
    let mut records = captured.records();
    assert_eq!(records.len(), 1, "{captured:?}");
    records.remove(0)
}
