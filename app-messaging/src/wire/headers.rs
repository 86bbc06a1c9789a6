//! The headers of a message: names and values, in order.
//!
//! Names of this project are not copied, and short values such as ids are kept without memory of their own.

use smol_str::SmolStr;

/// The most headers of a message that are kept. Further ones are left out.
const MAX_HEADERS: usize = 64;

/// The names of headers. NATS compares them with their case.
pub(crate) mod names {
    pub(crate) const MSG_ID: &str = "Nats-Msg-Id";
    pub(crate) const MESSAGE: &str = "Op-Message";
    pub(crate) const APP: &str = "Op-App";
    pub(crate) const INSTANCE: &str = "Op-Instance";
    pub(crate) const RELEASE: &str = "Op-Release";
    pub(crate) const SENT: &str = "Op-Sent";
    pub(crate) const TRACE_PARENT: &str = "traceparent";
    pub(crate) const TRACE_STATE: &str = "tracestate";
    pub(crate) const ERROR: &str = "Op-Error";
    pub(crate) const SERVICE_ERROR: &str = "Nats-Service-Error";
    pub(crate) const SERVICE_ERROR_CODE: &str = "Nats-Service-Error-Code";
    pub(crate) const DEAD_REASON: &str = "Op-Dead-Reason";
    pub(crate) const DEAD_ERROR: &str = "Op-Dead-Error";
    pub(crate) const DEAD_CONSUMER: &str = "Op-Dead-Consumer";
    pub(crate) const DEAD_ATTEMPTS: &str = "Op-Dead-Attempts";
    pub(crate) const DEAD_SEQUENCE: &str = "Op-Dead-Sequence";
    pub(crate) const DEAD_SUBJECT: &str = "Op-Dead-Subject";
    pub(crate) const DEAD_ID: &str = "Op-Dead-Id";
    pub(crate) const DEAD_ROUND: &str = "Op-Dead-Round";
    pub(crate) const DEAD_LEFT_OUT: &str = "Op-Dead-Left-Out";
    pub(crate) const RETRY_SUBJECT: &str = "Op-Retry-Subject";
    pub(crate) const RETRY_SEQUENCE: &str = "Op-Retry-Sequence";
    pub(crate) const RETRY_ID: &str = "Op-Retry-Id";
    pub(crate) const RETRY_ATTEMPTS: &str = "Op-Retry-Attempts";
    pub(crate) const RETRY_DELAY: &str = "Op-Retry-Delay";
}

/// The names that most messages have.
pub(crate) const OFTEN: [&str; 8] = [
    names::MSG_ID,
    names::MESSAGE,
    names::APP,
    names::INSTANCE,
    names::RELEASE,
    names::SENT,
    names::TRACE_PARENT,
    names::TRACE_STATE,
];

/// A name that NATS can carry. One that most messages have is not copied.
fn good_name(name: &str) -> Option<SmolStr> {
    if let Some(known) = OFTEN.into_iter().find(|known| *known == name) {
        return Some(SmolStr::new_static(known));
    }
    let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    good.then(|| name.into())
}

/// The headers of a message. Names are compared with their case, as NATS does. A name may occur more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(SmolStr, SmolStr)>);

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header. A name or a value that NATS can't carry is left out: names are visible ASCII without `:`, and values have no
    /// line breaks. Headers beyond the 64th are left out too.
    pub fn append(&mut self, name: &str, value: &str) {
        let good_value = !value.bytes().any(|byte| byte == b'\r' || byte == b'\n');
        if good_value
            && self.0.len() < MAX_HEADERS
            && let Some(name) = good_name(name)
        {
            self.0.push((name, value.trim().into()));
        }
    }

    /// Room for this many headers.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Adds a header of this project. Its value is one that NATS can carry: an id, a number or a time.
    pub(crate) fn push(&mut self, name: &'static str, value: impl Into<SmolStr>) {
        self.0.push((SmolStr::new_static(name), value.into()));
    }

    /// Sets a header, in place of all of this name.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.append(name, value);
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(found, _)| found != name);
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes they have on the wire: `NATS/1.0`, a line for each, and an empty line.
    pub(crate) fn wire_bytes(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        12 + self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>()
    }
}
