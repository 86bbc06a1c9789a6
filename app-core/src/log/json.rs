//! A record as one line of JSON.
//!
//! `time level domain app release instance [svc svc_name] [trace_id span_id] [event event_name]`, the logger's own keys, the
//! record's own keys in the order of the code, `message`.

use std::time::SystemTime;

use app_ids::ServiceId;
use slog::{OwnedKVList, Record};

use super::LogLevel;
use super::fields::{Fields, push_fixed};
use super::fit::{self, CutKeys};
use super::line::{Line, block};
use super::timestamp::Timestamp;
use crate::{Identity, trace};

/// The most bytes of a key.
pub(super) const MAX_KEY_BYTES: usize = 256;

/// The buffers of a thread for formatting records, kept from one record to the next.
#[derive(Debug)]
pub(super) struct JsonFormatter {
    timestamp: Timestamp,
    fields: Fields,
}

impl JsonFormatter {
    pub(super) fn new() -> Self {
        JsonFormatter { timestamp: Timestamp::new(), fields: Fields::default() }
    }

    /// The line of a record, of at most `limit` bytes. `prefix` comes from [`prefix`] for the logger.
    pub(super) fn line(
        &mut self,
        prefix: &[u8],
        limit: usize,
        record: &Record<'_>,
        values: &OwnedKVList,
    ) -> &mut Line {
        let level = LogLevel::from_slog(record.level());
        let fields = &mut self.fields;
        fields.begin(record.msg(), level == LogLevel::Error, limit);
        fields.collect(record, &record.kv());
        fields.collect(record, values);
        fields.finish();

        let line = &mut fields.line;
        if trace::in_use() {
            push_trace(line);
        }
        line.push(prefix);
        let (level, length) = match level {
            LogLevel::Debug => const { block(b"\",\"level\":\"debug\"") },
            LogLevel::Info => const { block(b"\",\"level\":\"info\"") },
            LogLevel::Warn => const { block(b"\",\"level\":\"warn\"") },
            LogLevel::Error => const { block(b"\",\"level\":\"error\"") },
        };
        line.push_block(&level, length);
        line.push(self.timestamp.format(SystemTime::now()));
        line.push(b"{\"time\":\"");
        if line.len() > limit || !fields.cut.is_empty() {
            fit_line(line, limit, &mut fields.cut);
        }
        line
    }
}

/// Puts the ids of the current span in front, if there is one.
#[inline(never)]
fn push_trace(line: &mut Line) {
    if let Some((trace_id, span_id)) = trace::current_ids() {
        line.push(b"\"");
        line.push(&span_id.hex());
        line.push(b"\",\"span_id\":\"");
        line.push(&trace_id.hex());
        line.push(b",\"trace_id\":\"");
    }
}

#[cold]
fn fit_line(line: &mut Line, limit: usize, cut: &mut CutKeys) {
    let fitting = fit::fit(line.bytes(), limit, cut);
    line.clear();
    line.push(&fitting);
}

/// The keys that are the same in all records of a logger.
pub(super) fn prefix(identity: &Identity, service: Option<(ServiceId, &str)>) -> Box<[u8]> {
    let mut out = Vec::with_capacity(192);
    push_fixed(&mut out, "domain", &identity.domain.hex());
    push_fixed(&mut out, "app", &identity.app.hex());
    push_fixed(&mut out, "release", &identity.release.hex());
    push_fixed(&mut out, "instance", &identity.instance.hex());
    if let Some((id, name)) = service {
        push_fixed(&mut out, "svc", &id.hex());
        push_fixed(&mut out, "svc_name", name);
    }
    out.into_boxed_slice()
}
