//! The four levels of a log record, as flags, config and RPC name them.

use std::fmt;
use std::str::FromStr;

/// The severity of a log record, and the lowest severity that a logger writes.
///
/// Ordered: `Debug` is the lowest. slog's `Critical` counts as `Error`, and its `Trace` as `Debug`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[repr(u8)]
pub enum LogLevel {
    /// Details for debugging.
    Debug = 0,
    /// Normal events that an operator may want to read later.
    Info = 1,
    /// A problem that the program handles.
    Warn = 2,
    /// Something failed.
    Error = 3,
}

impl LogLevel {
    /// All levels, lowest first.
    pub const ALL: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

    /// The level as flags write it: `DEBUG`, `INFO`, `WARN` or `ERROR`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
        }
    }

    /// The level of slog with the same meaning.
    #[must_use]
    pub const fn as_slog(self) -> slog::Level {
        match self {
            LogLevel::Debug => slog::Level::Debug,
            LogLevel::Info => slog::Level::Info,
            LogLevel::Warn => slog::Level::Warning,
            LogLevel::Error => slog::Level::Error,
        }
    }

    /// The level of a record that slog gives `level`.
    #[must_use]
    pub const fn from_slog(level: slog::Level) -> LogLevel {
        match level {
            slog::Level::Critical | slog::Level::Error => LogLevel::Error,
            slog::Level::Warning => LogLevel::Warn,
            slog::Level::Info => LogLevel::Info,
            slog::Level::Debug | slog::Level::Trace => LogLevel::Debug,
        }
    }

    /// The level with this number ([`LogLevel::as_u8`]). Numbers above 3 are `Error`.
    #[must_use]
    pub const fn from_u8(number: u8) -> LogLevel {
        match number {
            0 => LogLevel::Debug,
            1 => LogLevel::Info,
            2 => LogLevel::Warn,
            _ => LogLevel::Error,
        }
    }

    /// The number of the level: from 0 for `Debug` to 3 for `Error`.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<LogLevel> for &'static str {
    fn from(level: LogLevel) -> Self {
        level.as_str()
    }
}

impl FromStr for LogLevel {
    type Err = ParseLogLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        LogLevel::ALL
            .into_iter()
            .find(|level| text.eq_ignore_ascii_case(level.as_str()))
            .ok_or_else(|| ParseLogLevelError { text: text.to_owned() })
    }
}

impl TryFrom<String> for LogLevel {
    type Error = ParseLogLevelError;

    fn try_from(text: String) -> Result<Self, ParseLogLevelError> {
        text.parse()
    }
}

/// The error of a text that does not name a log level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseLogLevelError {
    text: String,
}

impl fmt::Display for ParseLogLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a log level; the levels are DEBUG, INFO, WARN and ERROR", self.text)
    }
}

impl std::error::Error for ParseLogLevelError {}
