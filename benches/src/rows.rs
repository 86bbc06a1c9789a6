//! Takes the rows of a group, and turns failures into an exit status.

use std::{
    io::Write,
    process::{Command, ExitCode, Stdio},
};

use crate::{programs, report::Row, rounds::Failure};

/// Takes the rows of a group one by one, so that rows before a failure are kept.
pub(crate) struct Rows(());

impl Rows {
    /// Writes the rows to standard output, which the driver reads.
    pub(crate) fn of_this_process() -> Self {
        Self(())
    }

    /// Runs another program, which writes its own rows.
    pub(crate) fn add_those_of(&mut self, program: &str) -> Result<(), Failure> {
        self.begin(program);
        let status = Command::new(programs::path(program)?).stdin(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
    }

    /// Reports on standard error what is measured now. So a run that hangs shows where.
    #[expect(clippy::unused_self, reason = "the receiver shows that the caller belongs to a group")]
    pub(crate) fn begin(&mut self, work: &str) {
        let _ = writeln!(std::io::stderr(), "measuring: {work}");
    }

    #[expect(
        clippy::unused_self,
        reason = "only the process of a group has rows, and the driver reads its output"
    )]
    pub(crate) fn add(&mut self, row: Row) {
        if let Ok(line) = serde_json::to_string(&row) {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

/// The exit status of a process. Writes a failure to standard error.
pub(crate) fn exit_code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}
