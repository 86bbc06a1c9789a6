//! `--check`: runs all checks of a start, and starts nothing.

use std::io::{self, Write};

use crate::{
    App, ExitStatus, counted, lifecycle::plan, linked_services, log::print_problem,
    stop::start_failure_status,
};

/// Prints every problem on standard error. Without a problem, prints one line on standard output.
pub(super) fn check(app: &App) -> ExitStatus {
    // The exit status is enough if the output is closed.
    match plan(app, &linked_services(), true) {
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
