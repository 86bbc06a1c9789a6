//! Taking over from the process that runs, and handing over to the next process: see [`handover`](crate::handover).

use std::{os::unix::net::UnixStream, sync::Arc, time::Duration};

use app_errors::{Error, errors};
use slog::{error, info, warn};

use crate::{
    App, StopCause,
    handover::{Handover, HandoverSocket},
    ids::APP_SERVICE,
    plugins::ReadyWhen,
    show_duration, threads,
};

/// How long an app may take from running to ready, with another process waiting for it.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often it is asked whether it is ready.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// Begins, if the app has a handover path. All services run by now.
pub(super) fn begin(app: &App) {
    let Some(handover) = app.host().handover.lock().take() else { return };
    let (host, own) = (app.host(), app.clone());
    // On the services' runtime, which can wait for sockets.
    host.spawn_kernel_task(host.runtime(), "handover", async move { live(&own, handover).await });
}

async fn live(app: &App, mut handover: Handover) {
    if let Some(predecessor) = handover.take_predecessor() {
        let name = predecessor.describe();
        info!(app.logger(), "{name} accepts until this process is ready");
        let ready = tokio::select! {
            biased;
            () = app.dying() => return,
            ready = ready(app) => ready,
        };
        if let Err(problem) = ready {
            return give_up(app, problem);
        }
        let taken = threads::run_blocking("handover", move || predecessor.take_over()).await;
        if let Err(problem) = taken.map_err(|refused| refused.to_string()).and_then(|taken| taken) {
            return give_up(app, problem);
        }
        app.host().listeners.open_gate();
        info!(app.logger(), "took over from {name}");
    }
    if let Some(path) = handover.stale_socket() {
        info!(app.logger(), "no process listens on the handover socket {}: it is replaced", path.display());
    }
    match handover.serve() {
        Ok(serving) => serve(app, serving).await,
        Err(failed) => error!(
            app.logger(),
            "the next process cannot take over: the handover socket cannot be made: {failed}"
        ),
    }
}

/// Waits until the app can do its work.
async fn ready(app: &App) -> Result<(), String> {
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        let reasons = ReadyWhen::reasons(app);
        if reasons.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            let within = show_duration(READY_WITHIN);
            return Err(format!("this process was not ready within {within}: {}", reasons.join("; ")));
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Stops this app, which must not accept. The other process goes on.
fn give_up(app: &App, problem: String) {
    let error: Error =
        errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(format!("no handover: {problem}")).build();
    app.kill(StopCause::StartFailed(vec![error]));
}

/// Waits for the next process, until this app has handed over or is dead.
async fn serve(app: &App, mut serving: HandoverSocket) {
    let listener = serving.take_listener().map(tokio::net::UnixListener::from_std);
    let serving = Arc::new(serving);
    let removed = Removed(Arc::clone(&serving));
    let listener = match listener {
        Some(Ok(listener)) => listener,
        Some(Err(failed)) => return warn!(app.logger(), "the next process cannot take over: {failed}"),
        None => return,
    };
    info!(app.logger(), "the next process finds this one at {}", serving.path().display());
    loop {
        let accepted = tokio::select! {
            biased;
            () = app.host().state.dead.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = accepted.and_then(|(stream, _)| stream.into_std());
        match stream {
            Ok(stream) => {
                if hand_over(app, &serving, stream).await {
                    drop(removed);
                    return;
                }
            }
            Err(failed) => {
                warn!(app.logger(), "a process that asks for the listeners cannot be heard: {failed}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Serves a process that asks. Returns whether it accepts now.
async fn hand_over(app: &App, serving: &Arc<HandoverSocket>, stream: UnixStream) -> bool {
    let (own, serving) = (app.clone(), Arc::clone(serving));
    let served = threads::run_blocking("handover", move || {
        let stops = || own.cause().map(|cause| cause.to_string());
        let began = |name: &str| {
            info!(own.logger(), "{name} has the listeners; this process accepts until it is ready")
        };
        serving.hand_over(stream, stops, || own.host().listeners.copies(), began)
    });
    match served.await.map_err(|refused| refused.to_string()).and_then(|served| served) {
        Ok(successor) => {
            app.host().listeners.release();
            app.kill(StopCause::Killed(format!("handed over to {}", successor.describe())));
            true
        }
        Err(problem) => {
            warn!(app.logger(), "{problem}");
            false
        }
    }
}

/// Removes the socket when the task ends, however it does.
struct Removed(Arc<HandoverSocket>);

impl Drop for Removed {
    fn drop(&mut self) {
        self.0.remove();
    }
}
