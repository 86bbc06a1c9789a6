//! Errors as JSON, for logs and reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{Error, print};

impl Error {
    /// The whole error as a JSON object:
    ///
    /// | key | value |
    /// |---|---|
    /// | `id`, `name` | the id in hexadecimal; the name, if one was recorded |
    /// | `type`, `severity` | `bug known_edge_case config`, `low medium high fatal` |
    /// | `message` | the message; without one, the text of the cause |
    /// | `cause` | array of the causes' texts, the direct cause first; at most 32, possibly empty |
    /// | `tags` | array, sorted, possibly empty |
    /// | `context` | the context; absent if there is none |
    /// | `uid` | the unique id, hexadecimal |
    /// | `time` | RFC 3339 with nanoseconds, UTC |
    /// | `service` | hexadecimal |
    /// | `location` | `file:line` |
    /// | `remote` | for the error of another process: `domain`, `app`, `release` and `instance`, hexadecimal, as far as that process told; absent otherwise |
    /// | `stack` | array of `function (file:line)`, innermost first: the stack of the error, or of the first cause that has one; absent if none has |
    ///
    /// Looking up the names of the stack takes milliseconds, and more the first time.
    /// [`to_json_without_stack`](Self::to_json_without_stack) avoids that.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = self.json_object();
        if let Some(stack) = self.nearest_stack() {
            let frames = stack.frames().iter().map(|frame| Value::String(frame.to_string())).collect();
            object.insert("stack".to_owned(), Value::Array(frames));
        }
        Value::Object(object)
    }

    /// [`to_json`](Self::to_json) without `stack`, which saves the look-up of names.
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
        if self.is_remote() {
            let origin = self.origin().map_or_else(
                || json!({}),
                |origin| {
                    json!({
                        "domain": origin.domain,
                        "app": origin.app,
                        "release": origin.release,
                        "instance": origin.instance,
                    })
                },
            );
            object.insert("remote".to_owned(), origin);
        }
        if let Some(context) = self.context() {
            object.insert("context".to_owned(), context.clone());
        }
        object
    }
}

/// The time as text. A time before 1970 or after 9999 becomes the nearest time of the format.
fn rfc3339(time: SystemTime) -> String {
    const YEAR_10000: Duration = Duration::from_secs(253_402_300_800);
    let latest = YEAR_10000 - Duration::from_nanos(1);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(latest);
    humantime::format_rfc3339_nanos(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests;
