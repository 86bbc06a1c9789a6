//! Errors as JSON, for logs and reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::{Error, print};

impl Error {
    /// All that the error knows:
    ///
    /// | key | value |
    /// |---|---|
    /// | `id`, `name` | which error it is: hexadecimal, and its name if one was recorded |
    /// | `type`, `severity` | `bug known_edge_case config`, `low medium high fatal` |
    /// | `message` | the message, or the cause's if there is none |
    /// | `cause` | the causes' texts, nearest first; an array, maybe empty; of a long chain the head |
    /// | `tags` | an array, sorted, maybe empty |
    /// | `context` | as it was given; absent without |
    /// | `uid` | this very error, hexadecimal |
    /// | `time` | RFC 3339 with nanoseconds, UTC |
    /// | `service` | hexadecimal |
    /// | `location` | `file:line` |
    /// | `stack` | `function (file:line)` each, innermost first, of the error or else of its nearest cause with a stack; absent without |
    ///
    /// Looking the stack's names up takes milliseconds, more the first time:
    /// [`to_json_without_stack`](Self::to_json_without_stack) does without.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = self.json_object();
        if let Some(stack) = self.nearest_stack() {
            let frames = stack.frames().iter().map(|frame| Value::String(frame.to_string())).collect();
            object.insert("stack".to_owned(), Value::Array(frames));
        }
        Value::Object(object)
    }

    /// [`to_json`](Self::to_json) without `stack`, for where time is short.
    #[must_use]
    pub fn to_json_without_stack(&self) -> Value {
        Value::Object(self.json_object())
    }

    fn json_object(&self) -> Map<String, Value> {
        let mut texts = print::texts(self).into_iter();
        let location = self.location();
        let fields = [
            ("id", json!(self.id())),
            ("type", json!(self.error_type())),
            ("severity", json!(self.severity())),
            ("message", json!(texts.next())),
            ("cause", texts.collect()),
            ("tags", json!(self.tags())),
            ("uid", json!(self.uid())),
            ("time", json!(rfc3339(self.time()))),
            ("service", json!(self.service())),
            ("location", json!(format!("{}:{}", location.file(), location.line()))),
        ];
        let mut object: Map<String, Value> =
            fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if let Some(name) = self.id().name() {
            object.insert("name".to_owned(), json!(name));
        }
        if let Some(context) = self.context() {
            object.insert("context".to_owned(), context.clone());
        }
        object
    }
}

/// The time as text. A clock that is before 1970 or after 9999 gives the nearest time that the format has.
fn rfc3339(time: SystemTime) -> String {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    let latest = YEAR_10000 - Duration::from_nanos(1);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(latest);
    humantime::format_rfc3339_nanos(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests;
