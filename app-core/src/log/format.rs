//! The formats of log records.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;

/// The format of log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// `Term` on a terminal, otherwise `Json`.
    #[default]
    Auto,
    /// One JSON object on each line, for machines.
    Json,
    /// One line of text, for people.
    Term,
}

impl LogFormat {
    /// The format to use on an output. Never `Auto`.
    #[must_use]
    pub const fn resolve(self, is_terminal: bool) -> LogFormat {
        match (self, is_terminal) {
            (LogFormat::Auto, true) => LogFormat::Term,
            (LogFormat::Auto, false) => LogFormat::Json,
            (given, _) => given,
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LogFormat::Auto => "auto",
            LogFormat::Json => "json",
            LogFormat::Term => "term",
        })
    }
}

impl FromStr for LogFormat {
    type Err = ParseLogFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        <LogFormat as ValueEnum>::from_str(text, true)
            .map_err(|_| ParseLogFormatError { text: text.to_owned() })
    }
}

/// The error of a text that does not name a log format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseLogFormatError {
    text: String,
}

impl fmt::Display for ParseLogFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a log format; the formats are auto, json and term", self.text)
    }
}

impl std::error::Error for ParseLogFormatError {}
