//! The main thread, which is the kernel's thread.
//!
//! The kernel starts, supervises and stops the services here, with its own runtime and timer. So signals, start timeouts
//! and the deadlines of the stop work even if every worker thread of the services' runtime is blocked.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use app_errors::errors;
use slog::{error, info, warn};
use tokio::{runtime::Runtime, sync::mpsc::Receiver};

use super::workers::Workers;
use crate::{
    App, ExitStatus, StopCause, StopReport, current,
    ids::APP_SERVICE,
    log::{capture_dependencies, refuses_records},
    panics, signals,
};

/// A second signal within this time counts as the first signal, because terminals and supervisors send several.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);

/// Runs the app to its end.
pub(super) fn run(app: &App) -> ExitStatus {
    // Before the app becomes the process's current app. If another app runs already, nothing may change.
    let ready = signals::take()
        .and_then(|signals| Ok((signals, kernel_runtime()?, Workers::start(app.flags().worker_threads)?)));
    let (signals, kernel, workers) = match ready {
        Ok(ready) => ready,
        Err(problem) => {
            let problem =
                errors::SERVICE_INIT_FAILED.error(APP_SERVICE).cause(problem).message("cannot start").build();
            error!(app.logger(), "{problem}"; "err" => #&problem);
            return ExitStatus::StartFailed;
        }
    };
    warn_of_variables(app);
    capture_dependencies(app.log());
    app.host().run_services_on(workers.handle());
    current::install(app);
    panics::logged(app.logger().clone(), refuses_records, || {
        let serving = AssertUnwindSafe(|| kernel.block_on(serve(app, signals)));
        // The panic is in the log. The state of the kernel may be inconsistent.
        let Ok(status) = catch_unwind(serving) else { return ExitStatus::Internal };
        if matches!(status, ExitStatus::Signal(_) | ExitStatus::Internal) {
            drop(workers);
        } else {
            workers.shut_down();
        }
        status
    })
}

/// The kernel's own runtime: this thread, and a timer.
fn kernel_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()
}

fn warn_of_variables(app: &App) {
    const IGNORED: &str = "TOKIO_WORKER_THREADS";
    if std::env::var_os(IGNORED).is_some() {
        warn!(
            app.logger(),
            "the environment variable {IGNORED} is ignored; use --worker-threads or OP_WORKER_THREADS"
        );
    }
}

/// Starts the app, waits for its end, and handles signals in the meantime.
async fn serve(app: &App, mut signals: Receiver<i32>) -> ExitStatus {
    let mut life = std::pin::pin!(live(app));
    let mut first_signal = None;
    loop {
        tokio::select! {
            biased;
            report = &mut life => return report.exit_status(),
            () = app.log().writer_died() => return ExitStatus::Internal,
            signal = signals.recv() => match signal {
                Some(signal) if signals::asks_to_stop(signal) => {
                    let first = *first_signal.get_or_insert_with(Instant::now);
                    if first.elapsed() >= SECOND_SIGNAL_AFTER {
                        return abort(app, signal);
                    }
                    app.kill(StopCause::Signal(signal));
                }
                Some(_) => reload(app),
                None => {
                    error!(app.logger(), "internal error: the thread \"signals\" ended, so no signal is received");
                    return ExitStatus::Internal;
                }
            },
        }
    }
}

async fn live(app: &App) -> StopReport {
    match app.start().await {
        Ok(()) => app.stopped().await,
        Err(report) => report,
    }
}

fn reload(app: &App) {
    if app.reload() {
        info!(app.logger(), "SIGHUP: asked for a reload");
    } else {
        info!(app.logger(), "SIGHUP: no service takes a new config while it runs, so nothing is reloaded");
    }
}

/// Handles a second signal: the process ends at once, and the log says which services had not stopped.
fn abort(app: &App, signal: i32) -> ExitStatus {
    let waiting = open_services(app);
    warn!(app.logger(), "second signal: aborted without waiting for {waiting}"; "signal" => signal);
    ExitStatus::Signal(signal)
}

fn open_services(app: &App) -> String {
    let open: Vec<_> = app
        .services()
        .iter()
        .map(|service| {
            format!("{} {} (tasks: {})", service.describe(), service.state(), service.open_tasks().join(", "))
        })
        .collect();
    if open.is_empty() { "nothing".to_owned() } else { open.join("; ") }
}
