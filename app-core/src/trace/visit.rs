//! Reads the fields of spans and events of the crate `tracing`.

use std::error::Error as StdError;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use app_errors::Error;
use tracing_core::field::{Field, Visit};

use super::attributes::{AttributeValue, Attributes, MOST_BYTES, head};
use super::span::{SpanData, SpanKind, SpanStatus};

const PANICKED: &str = "<panicked>";
/// A chain of causes may have a circle.
const MOST_CAUSES: usize = 16;

/// The fields of a span: attributes, and fields that say more about the span. Their names begin with `otel.`, as in the
/// crate `tracing-opentelemetry`.
#[derive(Default)]
pub(super) struct Special {
    name: Option<String>,
    kind: Option<SpanKind>,
    status: Option<SpanStatus>,
    description: Option<String>,
    error: Option<Error>,
}

impl Special {
    /// Whether the field belongs here.
    fn take(&mut self, name: &str, value: AttributeValue<'_>) -> bool {
        let Some(name) = name.strip_prefix("otel.") else { return false };
        let AttributeValue::Text(text) = value else { return false };
        match name {
            "name" => self.name = Some(text.to_owned()),
            "kind" => self.kind = kind(text).or(self.kind),
            "status_code" => self.status = status(text).or(self.status.take()),
            "status_description" | "status_message" => self.description = Some(text.to_owned()),
            _ => return false,
        }
        true
    }

    pub(super) fn apply(self, span: &mut SpanData) {
        if let Some(name) = self.name {
            span.set_name(&name);
        }
        if let Some(kind) = self.kind {
            span.kind = kind;
        }
        if let Some(status) = self.status {
            span.status = status;
        }
        if let Some(error) = self.error {
            span.set_error(&error);
        }
        if let (Some(description), SpanStatus::Error(reason)) = (self.description, &mut span.status) {
            *reason = head(&description, MOST_BYTES).to_owned();
        }
    }
}

fn kind(text: &str) -> Option<SpanKind> {
    let kinds = [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ];
    kinds.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, kind)| kind)
}

fn status(text: &str) -> Option<SpanStatus> {
    match () {
        () if text.eq_ignore_ascii_case("ok") => Some(SpanStatus::Ok),
        () if text.eq_ignore_ascii_case("error") => Some(SpanStatus::Error(String::new())),
        () => None,
    }
}

/// The methods of [`Visit`] that hand a value to `set` of the type, whatever the value's own type is.
macro_rules! hands_values_to_set {
    () => {
        fn record_f64(&mut self, field: &Field, value: f64) {
            self.set(field, AttributeValue::Float(value));
        }

        fn record_i64(&mut self, field: &Field, value: i64) {
            self.set(field, AttributeValue::Int(value));
        }

        fn record_u64(&mut self, field: &Field, value: u64) {
            with_integer(value, |value| self.set(field, value));
        }

        fn record_i128(&mut self, field: &Field, value: i128) {
            with_integer(value, |value| self.set(field, value));
        }

        fn record_u128(&mut self, field: &Field, value: u128) {
            with_integer(value, |value| self.set(field, value));
        }

        fn record_bool(&mut self, field: &Field, value: bool) {
            self.set(field, AttributeValue::Bool(value));
        }

        fn record_str(&mut self, field: &Field, value: &str) {
            self.set(field, AttributeValue::Text(value));
        }

        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            let text = print(&format_args!("{value:?}"));
            self.set(field, AttributeValue::Text(&text));
        }
    };
}

/// Calls a function with an integer, which is text if it does not fit.
fn with_integer<T: Copy + ToString + TryInto<i64>>(value: T, set: impl FnOnce(AttributeValue<'_>)) {
    match value.try_into() {
        Ok(value) => set(AttributeValue::Int(value)),
        Err(_) => set(AttributeValue::Text(&value.to_string())),
    }
}

/// Collects the fields of a span.
pub(super) struct SpanFields<'a> {
    attributes: &'a mut Attributes,
    special: Special,
    is_new: bool,
}

impl<'a> SpanFields<'a> {
    /// For the fields of a span that begins: no key is there yet.
    pub(super) fn of_new(attributes: &'a mut Attributes) -> Self {
        Self { attributes, special: Special::default(), is_new: true }
    }

    /// For fields that are recorded later.
    pub(super) fn of_later(attributes: &'a mut Attributes) -> Self {
        Self { attributes, special: Special::default(), is_new: false }
    }

    pub(super) fn special(self) -> Special {
        self.special
    }

    fn set(&mut self, field: &Field, value: AttributeValue<'_>) {
        if self.special.take(field.name(), value) {
            return;
        }
        if self.is_new {
            self.attributes.add(field.name(), value);
        } else {
            self.attributes.set(field.name(), value);
        }
    }
}

impl Visit for SpanFields<'_> {
    hands_values_to_set! {}

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        if let Some(error) = value.downcast_ref::<Error>() {
            self.special.error = Some(error.clone());
        }
        let text = with_causes(value);
        self.set(field, AttributeValue::Text(&text));
    }
}

/// What an event is about: its message, and the error in it, if there is one.
#[derive(Default)]
pub(super) struct EventText {
    pub(super) message: Option<String>,
    pub(super) error: Option<String>,
    /// An error of this platform, with all that is known of it.
    pub(super) known: Option<Error>,
}

/// Collects the fields of an event.
pub(super) struct EventFieldsOf<'a> {
    pub(super) attributes: &'a mut Attributes,
    pub(super) text: EventText,
}

impl EventFieldsOf<'_> {
    fn set(&mut self, field: &Field, value: AttributeValue<'_>) {
        match field.name() {
            "message" => self.text.message = Some(head(&value.to_string(), 256).to_owned()),
            name => {
                if name == "error" || name == "err" {
                    self.text.error = Some(value.to_string());
                }
                self.attributes.set(name, value);
            }
        }
    }
}

impl Visit for EventFieldsOf<'_> {
    hands_values_to_set! {}

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        if let Some(error) = value.downcast_ref::<Error>() {
            self.text.known = Some(error.clone());
        }
        let text = with_causes(value);
        self.set(field, AttributeValue::Text(&text));
    }
}

/// The text of a value, cut to what an attribute may have. A value whose own code panics is lost alone.
fn print(value: &fmt::Arguments<'_>) -> String {
    let mut text = Capped(String::new());
    match catch_unwind(AssertUnwindSafe(|| text.write_fmt(*value))) {
        Ok(_) => text.0,
        Err(_) => PANICKED.to_owned(),
    }
}

fn with_causes(error: &(dyn StdError + 'static)) -> String {
    // The text of an error of this platform has its causes.
    let mut cause = error.source().filter(|_| !error.is::<Error>());
    let mut text = print(&format_args!("{error}"));
    for _ in 0..MOST_CAUSES {
        let Some(of) = cause else { break };
        text.push_str(": ");
        text.push_str(&print(&format_args!("{of}")));
        cause = of.source();
    }
    text
}

/// Keeps the beginning of a text.
struct Capped(String);

impl Write for Capped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // One byte more, so that it counts as cut.
        let room = (MOST_BYTES + 4).saturating_sub(self.0.len());
        if room == 0 {
            return Err(fmt::Error);
        }
        self.0.push_str(head(text, room));
        Ok(())
    }
}
