//! The id types, all made by one macro.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kind::IdKind;
use crate::names::{self, Described};
use crate::parse::{self, ParseIdError};
use crate::{hex, random};

/// Declares the id types, each with its kind and the common functions.
macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident $kind:ident;)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
            pub struct $name(u64);

            impl $name {
                /// The kind of these ids.
                pub const KIND: IdKind = IdKind::$kind;

                /// The id with this number.
                #[must_use]
                pub const fn new(id: u64) -> Self {
                    Self(id)
                }

                /// The number.
                #[must_use]
                pub const fn as_u64(self) -> u64 {
                    self.0
                }

                /// Whether the number is zero. Zero is the application among services, an unforeseen error among errors, and
                /// "not given" elsewhere.
                #[must_use]
                pub const fn is_zero(self) -> bool {
                    self.0 == 0
                }

                /// The id in lower-case hex, without prefix or padding: at most 16 digits.
                #[must_use]
                pub fn hex(self) -> String {
                    self.to_string()
                }

                /// Makes a random id. It is never zero.
                #[must_use]
                pub fn random() -> Self {
                    Self(random::random_u64())
                }

                /// The name that [`ids!`](crate::ids) recorded for this id, in any crate of the program. Of several names it is
                /// the first in alphabetical order.
                #[must_use]
                pub fn name(self) -> Option<&'static str> {
                    names::name_of(Self::KIND, self.0)
                }

                /// The id with the recorded name. `None` if no id has the name, or several have it.
                #[must_use]
                pub fn named(name: &str) -> Option<Self> {
                    names::id_of(Self::KIND, name).map(Self)
                }

                /// The id for text that people read: `name (hex)`, or `hex` without a recorded name.
                #[must_use]
                pub fn describe(self) -> Described {
                    Described::new(Self::KIND, self.0)
                }
            }

            /// The same text as [`hex`](Self::hex).
            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    hex::fmt(self.0, f)
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}({:#x})", stringify!($name), self.0)
                }
            }

            /// `{:x}` has the form of [`Display`](fmt::Display). `{:#x}` adds the prefix `0x`.
            impl fmt::LowerHex for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::LowerHex::fmt(&self.0, f)
                }
            }

            /// Reads decimal digits, or `0x` (or `0X`) and hex digits. Everything else is refused, also spaces around them.
            impl FromStr for $name {
                type Err = ParseIdError;

                fn from_str(text: &str) -> Result<Self, ParseIdError> {
                    parse::decimal_or_hex(Self::KIND, text).map(Self)
                }
            }

            impl From<u64> for $name {
                fn from(id: u64) -> Self {
                    Self(id)
                }
            }

            impl From<$name> for u64 {
                fn from(id: $name) -> Self {
                    id.0
                }
            }

            /// Writes a hex string, since much software rounds JSON numbers above 2^53.
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            /// A hex string, with the format `id`.
            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn schema_id() -> Cow<'static, str> {
                    concat!("app_ids::", stringify!($name)).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "format": "id", "pattern": "^(0[xX])?[0-9a-fA-F]{1,16}$" })
                }
            }

            /// Reads a hex string with or without `0x`. A number is refused, since it may have been rounded.
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    deserializer.deserialize_str(hex::HexVisitor(Self::KIND)).map(Self)
                }
            }
        )+
    };
}

id_types! {
    /// A domain: a set of applications that belong together, such as one product or one customer's installation.
    DomainId Domain;
    /// An application, in every release and instance.
    AppId App;
    /// A release of an application.
    ReleaseId Release;
    /// One run of an application. It is new in every process, so that the logs and metrics of two instances differ.
    InstanceId Instance;
    /// A service. Zero is the application itself.
    ServiceId Service;
    /// A kind of error. Zero is an unforeseen error.
    ErrorId Error;
    /// A kind of log record.
    LogEventId LogEvent;
    /// A metric of a service. Service id and metric id together identify it.
    MetricId Metric;
    /// A health check.
    HealthCheckId HealthCheck;
    /// A type of message.
    MessageId Message;
    /// A stream that stores messages.
    StreamId Stream;
    /// A bucket: values by key, shared by instances.
    BucketId Bucket;
}

impl MetricId {
    /// The name of this metric of `service` in Prometheus: `op_{service hex}_{metric hex}`.
    #[must_use]
    pub fn prometheus_name(self, service: ServiceId) -> String {
        format!("op_{service}_{self}")
    }
}

#[cfg(test)]
mod tests;
