//! `--check`: everything that can be found wrong before a start, and nothing started.

use std::io::{self, Write};

use crate::{App, ExitStatus, Preflight, graph::Plan, run::print_problems, stop::start_failure_status};

/// Checks graph and configs, prints every problem on standard error, or one line of approval on standard output.
pub(crate) fn check(app: &App) -> ExitStatus {
    let services = app.inner.services.clone();
    let count = services.len();
    let mut problems = Plan::new(services).err().unwrap_or_default();
    problems.extend(Preflight::run_all(app));
    // Whoever closed the output still gets the exit status.
    if problems.is_empty() {
        let _ = writeln!(io::stdout(), "ok: {count} services, configs in {}", app.config_dir().display());
        return ExitStatus::Clean;
    }
    let _ = print_problems(&problems);
    start_failure_status(&problems)
}
