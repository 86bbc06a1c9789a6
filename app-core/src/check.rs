//! `--check`: everything that can be found wrong before a start, and nothing started.

use std::io::{self, Write};

use crate::{
    App, ExitStatus, Preflight, counted, graph::Plan, log::print_problem, stop::start_failure_status,
};

/// Checks graph and configs, prints every problem on standard error, or one line of approval on standard output.
pub(crate) fn check(app: &App) -> ExitStatus {
    let services = app.inner.services.clone();
    let count = services.len();
    let mut problems = Plan::new(services).err().unwrap_or_default();
    problems.extend(Preflight::run_all(app));
    // Whoever closed the output still gets the exit status.
    if problems.is_empty() {
        let _ = writeln!(
            io::stdout(),
            "ok: {}, configs in {}",
            counted(count as u64, "service"),
            app.config_dir().display()
        );
        return ExitStatus::Clean;
    }
    let limit = app.flags().log_record_bytes;
    let _ = problems.iter().try_for_each(|problem| print_problem(problem, limit));
    start_failure_status(&problems)
}
