//! The failure of a command, and its exit status.

use std::fmt::Display;
use std::process::ExitCode;

/// Longest message in bytes. Parts of it may come from an app.
pub(crate) const MOST_MESSAGE: usize = 4096;

/// The exit statuses of failures. docs/APPCTL.md has the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// The app answered with an error, or the output could not be written.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The app was not reached, or did not accept the call. Nothing was changed, and you may try again.
    NotReached = 3,
    /// No answer came. The change may have been made.
    Unknown = 4,
    /// The role of the client's certificate is too low.
    Denied = 5,
    /// The answer is no: the app is not ready, a check failed, a service did not start, or a config was refused.
    AnswerIsNo = 6,
    /// The time to wait is over, and what was waited for has not happened.
    NotInTime = 7,
    /// A context, or a file that it names, cannot be used (`EX_CONFIG` of sysexits.h).
    Unusable = 78,
}

impl Status {
    /// The status in a table.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "wrong usage",
            Self::NotReached => "not reached",
            Self::Unknown => "no answer",
            Self::Denied => "denied",
            Self::AnswerIsNo => "no",
            Self::NotInTime => "not in time",
            Self::Unusable => "unusable",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        (status as u8).into()
    }
}

/// One line that says what failed, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) message: String,
}

/// The result of a command.
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

    /// The app answered with an error, or this machine refused something.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(Status::Failed, message)
    }

    /// A context, or a file that it names, cannot be used.
    pub(crate) fn unusable(message: impl Display) -> Self {
        Self::new(Status::Unusable, message)
    }
}
