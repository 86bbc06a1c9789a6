//! `--check`: everything that can be found wrong before a start, and nothing started.

use std::io::{self, Write};

use crate::{App, ExitStatus, counted, log::print_problem, startable, stop::start_failure_status};

/// Checks what a start would, prints every problem on standard error, or one line of approval on standard output.
pub(crate) fn check(app: &App) -> ExitStatus {
    // With a closed output the exit status still tells.
    match startable::plan(app) {
        Ok(plan) => {
            let count = counted(plan.services().len() as u64, "service");
            let _ = writeln!(io::stdout(), "ok: {count}, configs in {}", app.config_dir().display());
            ExitStatus::Clean
        }
        Err(problems) => {
            let limit = app.flags().log_record_bytes;
            let _ = problems.iter().try_for_each(|problem| print_problem(problem, limit));
            start_failure_status(&problems)
        }
    }
}
