//! Log levels.

use schema::admin_capnp::{LogLevel, level_setting};
use serde::{Serialize, Serializer};

use crate::output::seconds;

/// A log level; `None` for a level that this release does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(pub(crate) Option<LogLevel>);

impl Level {
    pub(crate) fn of(level: Result<LogLevel, capnp::NotInSchema>) -> Self {
        Self(level.ok())
    }

    /// The name in flags and logs.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Some(LogLevel::Debug) => "debug",
            Some(LogLevel::Info) => "info",
            Some(LogLevel::Warn) => "warn",
            Some(LogLevel::Error) => "error",
            None => "unknown",
        }
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Parses the name of a level, in any case.
pub(crate) fn parse_level(text: &str) -> Result<LogLevel, String> {
    match text.to_ascii_lowercase().as_str() {
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warn" => Ok(LogLevel::Warn),
        "error" => Ok(LogLevel::Error),
        _ => Err("expected debug, info, warn or error".to_owned()),
    }
}

/// A level, and the time until it expires.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    pub(crate) level: Level,
    pub(crate) expires_in_seconds: Option<f64>,
    #[serde(skip)]
    pub(crate) expires_in_millis: u64,
}

impl Setting {
    pub(crate) fn of(setting: level_setting::Reader<'_>) -> Self {
        let expires = setting.get_expires_in_millis();
        Self {
            level: Level::of(setting.get_level()),
            expires_in_seconds: (expires > 0).then(|| seconds(expires)),
            expires_in_millis: expires,
        }
    }
}
