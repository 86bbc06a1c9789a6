//! Why a command did nothing: one line on standard error for each reason, and the exit status.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use app_core::ExitStatus;
use app_core::prelude::ServiceId;
use app_errors::one_line;

use crate::ids::label;
use crate::problems::Problems;

/// The reasons, and the exit status.
#[derive(Debug)]
pub(super) struct Refused {
    reasons: Vec<String>,
    status: u8,
}

impl Refused {
    fn new(reason: impl Display, status: u8) -> Self {
        Self { reasons: vec![reason.to_string()], status }
    }

    /// The command line does not make sense.
    pub(super) fn usage(reason: impl Display) -> Self {
        Self::new(reason, ExitStatus::Usage.code())
    }

    /// A config is wrong.
    pub(super) fn config(reason: impl Display) -> Self {
        Self::new(reason, ExitStatus::Config.code())
    }

    /// The problems of a service's config.
    pub(super) fn problems(service: ServiceId, problems: Problems) -> Self {
        let of = label(service);
        let reasons = problems.into_vec().into_iter().map(|problem| format!("{of}: {problem}")).collect();
        Self { reasons, status: ExitStatus::Config.code() }
    }

    /// A file can't be read or written.
    pub(super) fn io(reason: impl Display) -> Self {
        Self::new(reason, 1)
    }

    pub(super) fn tell(&self) -> ExitCode {
        let mut out = io::stderr().lock();
        for reason in &self.reasons {
            // If standard error fails, there is no place to report it.
            let _ = writeln!(out, "{}", one_line(reason));
        }
        self.status.into()
    }
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
