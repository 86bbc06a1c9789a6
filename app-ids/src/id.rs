//! The nine id types, all made by one macro.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Described, ParseIdError, hex, names, parse, random};

/// Declares each id type, its kind, and everything that the types have in common.
macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident $kind:ident $noun:literal;)+) => {
        /// Which of the id types a number belongs to: ids of two kinds may be the same number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum IdKind {
            $(#[doc = concat!("The kind of a [`", stringify!($name), "`].")] $kind,)+
        }

        impl IdKind {
            /// Every kind, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// What people call an id of this kind, such as `service id`.
            #[must_use]
            pub const fn noun(self) -> &'static str {
                match self { $(Self::$kind => $noun,)+ }
            }
        }

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
            pub struct $name(u64);

            impl $name {
                /// The kind of these ids.
                pub const KIND: IdKind = IdKind::$kind;

                /// The id that is this number.
                #[must_use]
                pub const fn new(id: u64) -> Self {
                    Self(id)
                }

                /// The number.
                #[must_use]
                pub const fn as_u64(self) -> u64 {
                    self.0
                }

                /// Whether the number is zero: the application itself among services, an unforeseen error among
                /// errors, and "not given" elsewhere.
                #[must_use]
                pub const fn is_zero(self) -> bool {
                    self.0 == 0
                }

                /// Lower-case hexadecimal, without prefix or padding: at most 16 digits.
                #[must_use]
                pub fn hex(self) -> String {
                    self.to_string()
                }

                /// A new id from the operating system's source of randomness; never zero.
                #[must_use]
                pub fn random() -> Self {
                    Self(random::random_u64())
                }

                /// The name for people that [`ids!`](crate::ids) recorded for this id in any crate of the program,
                /// the first in alphabetical order if there are several.
                #[must_use]
                pub fn name(self) -> Option<&'static str> {
                    names::name_of(Self::KIND, self.0)
                }

                /// The id that was recorded under `name`; none if there is none, or if several share the name.
                #[must_use]
                pub fn named(name: &str) -> Option<Self> {
                    names::id_of(Self::KIND, name).map(Self)
                }

                /// For text that people read: `name (hex)`, or `hex` when no name was recorded.
                #[must_use]
                pub fn describe(self) -> Described {
                    Described::new(Self::KIND, self.0)
                }
            }

            /// As [`hex`](Self::hex) does.
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

            /// `{:x}` is the form of [`Display`](fmt::Display), `{:#x}` has the prefix `0x`.
            impl fmt::LowerHex for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::LowerHex::fmt(&self.0, f)
                }
            }

            /// Reads decimal digits, or `0x` (or `0X`) and hexadecimal digits; nothing else, not even blanks around.
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

            /// As a hexadecimal string: JSON numbers above 2^53 are rounded by much software.
            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            /// From a hexadecimal string with or without `0x`; a number is refused, since it may have been rounded.
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
    DomainId Domain "domain id";
    /// An application, whatever its release and however many instances of it run.
    AppId App "app id";
    /// A release of an application.
    ReleaseId Release "release id";
    /// One run of an application: new in every process, so that logs and metrics of two instances can be told apart.
    InstanceId Instance "instance id";
    /// A service. Zero is the application itself.
    ServiceId Service "service id";
    /// One exact sort of error. Zero is an error that nobody foresaw.
    ErrorId Error "error id";
    /// One exact sort of log record.
    LogEventId LogEvent "log event id";
    /// A metric, within a service: the two ids together are its key.
    MetricId Metric "metric id";
    /// A health check.
    HealthCheckId HealthCheck "health check id";
}

impl MetricId {
    /// The name under which Prometheus knows this metric of `service`: `op_{service hex}_{metric hex}`.
    #[must_use]
    pub fn prometheus_name(self, service: ServiceId) -> String {
        format!("op_{service}_{self}")
    }
}

#[cfg(test)]
mod tests;
