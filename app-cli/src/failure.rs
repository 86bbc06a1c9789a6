//! Why a command did not do what it was asked to, and the exit status that says so.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::output;

/// The most bytes of a message: parts of it may be from an app.
const MOST_MESSAGE: usize = 4096;

/// What the exit status says. docs/APPCTL.md has the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// The app was asked, and said no; or the output could not be written.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The app was not reached, or did not take the call: nothing was changed, and it is safe to try again.
    NotReached = 3,
    /// No answer came: it may have been done.
    Unknown = 4,
    /// The role of the client's certificate is too low.
    Denied = 5,
    /// The answer is no: the app is not ready, or a check failed.
    Unwell = 6,
    /// A context, or a file that it names, can't be used (`EX_CONFIG` of sysexits.h).
    Unusable = 78,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        (status as u8).into()
    }
}

/// One line that says what went wrong, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

/// How a command ended.
pub(crate) type Outcome = Result<ExitCode, Failure>;

impl Failure {
    pub(crate) fn new(status: Status, message: impl Display) -> Self {
        let mut message = message.to_string();
        if message.len() > MOST_MESSAGE {
            let end = (0..=MOST_MESSAGE).rev().find(|at| message.is_char_boundary(*at));
            message.truncate(end.unwrap_or(0));
            message.push_str("..");
        }
        Self { status, message }
    }

    /// The app said no.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(Status::Failed, message)
    }

    /// A context, or a file that it names, can't be used.
    pub(crate) fn unusable(message: impl Display) -> Self {
        Self::new(Status::Unusable, message)
    }

    /// Says it on standard error: a line for people, or an object for programs.
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        let line = if json {
            let object = serde_json::json!({ "error": self.message, "status": self.status as u8 });
            output::json_line(&object)
        } else {
            output::one_line(&self.message, 4096)
        };
        // Nobody to tell when this fails.
        let _ = writeln!(io::stderr().lock(), "{line}");
        self.status.into()
    }
}
