//! Notifications to systemd about the application of this process: `sd_notify(3)`.
//!
//! | when | message |
//! |---|---|
//! | services start | `STATUS`, and every 5 s an extension of the start timeout |
//! | `/readyz` says yes for the first time | `READY=1` |
//! | the status line changes | `STATUS` |
//! | a reload is requested (SIGHUP) | `RELOADING=1` with the time; `READY=1` once the configs were read again |
//! | the stop begins | `STOPPING=1`, and the time that it may take, again every 5 s |
//! | a service listens | `FDSTORE=1`, `FDNAME=` with its name, and the listener |
//! | the config of a service moved its listener | `FDSTOREREMOVE=1`, `FDNAME=` |
//! | twice within the watchdog's time | `WATCHDOG=1`, unless the liveness probe says no |
//!
//! Without `NOTIFY_SOCKET`, this module does nothing. A socket that is full or gone neither delays nor fails the
//! service. The log then has one warning, and the messages are sent again every second until systemd takes them.
//!
//! The environment variables stay set, because removing one is unsafe in a process with threads. Programs that a
//! service starts inherit them, so start such programs without them.

mod notifications;
mod socket;
mod status;
mod store;
mod watchdog;

use std::{io, time::Duration};

use app_config::Configs;
use app_core::{
    App,
    prelude::{Error, Service, error, info, warn},
};
use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use self::{
    notifications::{AppStatus, SentState},
    socket::ManagerSocket,
};
use crate::probes;

/// How often the state of the app is polled, before it is ready and afterwards.
const POLL_INTERVAL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often the start timeout and the stop timeout are extended. Systemd forgets an extension with each `systemctl
/// daemon-reload`.
const EXTEND_INTERVAL: Duration = Duration::from_secs(5);
/// Extension of the start timeout. The extension of the stop timeout follows from the app's stop deadline.
const EXTEND_BY: Duration = Duration::from_secs(30);

/// Bounds of the time between two `WATCHDOG=1`, which is half of the watchdog's time. The environment variable may have
/// any value.
const PING_INTERVAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

/// The service manager that started this process.
pub(crate) struct ServiceManager {
    socket: ManagerSocket,
    /// The watchdog's time: without a sign of life within it, systemd kills the process.
    watchdog: Option<Duration>,
}

/// Starts the task that notifies systemd, if systemd started this process and `service` belongs to the process's own
/// app.
///
/// A bad environment variable causes one warning and does not fail the start.
///
/// # Errors
/// `ServiceNotAlive`.
pub(crate) fn spawn(service: &Service, configs: &Configs) -> Result<(), Error> {
    if !is_the_process(&App::of(service)) {
        return Ok(());
    }
    let socket = match ManagerSocket::from_environment() {
        None => return Ok(()),
        Some(Ok(socket)) => socket,
        Some(Err(problem)) => {
            warn!(service.log(), "no notifications to systemd: NOTIFY_SOCKET: {problem}");
            return Ok(());
        }
    };
    let watchdog = watchdog::from_environment().unwrap_or_else(|problem| {
        warn!(service.log(), "{problem}");
        None
    });
    let seconds = watchdog.map(|time| time.as_secs_f64());
    info!(service.log(), "notifying systemd"; "watchdog_seconds" => seconds);
    service.spawn("systemd", notify(service.clone(), configs.clone(), ServiceManager { socket, watchdog }))
}

/// Whether this is the process's own app. Other apps, such as those of tests, do not concern systemd.
fn is_the_process(app: &App) -> bool {
    app_core::compat::current().is_ok_and(|current| current.instance() == app.instance())
}

/// The task: sends notifications until the service is killed, and then once more.
async fn notify(service: Service, configs: Configs, manager: ServiceManager) {
    let app = App::of(&service);
    let (mut reloads, mut reloaded) = (app.reloads(), configs.reloaded());
    let mut sent = SentState::new(*reloads.borrow());
    let mut notifier = Notifier { service, manager, warned: false, liveness_failed: false };
    let mut pings =
        notifier.manager.watchdog.map(|time| ticks((time / 2).clamp(PING_INTERVAL.0, PING_INTERVAL.1)));
    let (mut before, mut after) = (ticks(POLL_INTERVAL.0), ticks(POLL_INTERVAL.1));
    let mut extended: Option<Instant> = None;
    loop {
        let alive = notifier.service.alive();
        let now = AppStatus::of(&app, &configs, *reloads.borrow_and_update(), *reloaded.borrow_and_update());
        let was_stopping = sent.is_stopping();
        // Before the first `READY=1`: a restart that follows at once finds the listeners.
        notifier.store_listeners(&app);
        notifier.send_due(&mut sent, &now);
        if sent.is_stopping() && !was_stopping {
            // The message of the stop contains the extension.
            extended = Some(Instant::now());
        }
        let start = (now.starting && !sent.was_ready()).then_some(EXTEND_BY);
        if let Some(time) = now.stops_within.or(start)
            && extended.is_none_or(|at| at.elapsed() >= EXTEND_INTERVAL)
        {
            extended = Some(Instant::now());
            notifier.send(&notifications::extend_by(time));
        }
        if !alive {
            return;
        }
        let stopping = !app.alive();
        tokio::select! {
            biased;
            () = notifier.service.dying() => {}
            () = app.dying(), if !stopping => {}
            () = tick(&mut pings) => notifier.ping(&app),
            Ok(()) = reloads.changed() => {}
            Ok(()) = reloaded.changed() => {}
            _ = before.tick(), if !sent.was_ready() => {}
            _ = after.tick() => {}
        }
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for the next tick; for ever if `ticks` is `None`.
async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// Sends messages, and logs one warning if that fails.
struct Notifier {
    service: Service,
    manager: ServiceManager,
    warned: bool,
    /// Whether the liveness probe says no.
    liveness_failed: bool,
}

impl Notifier {
    /// Sends all notifications that are due, in order. A notification that cannot be sent is due again next time.
    fn send_due(&mut self, sent: &mut SentState, now: &AppStatus) {
        while let Some(step) = sent.next(now) {
            if !self.send(&step.message(now)) {
                return;
            }
            sent.note(step, now);
        }
    }

    /// Hands listeners over to be kept, and takes back those that have moved. What cannot be sent is due again next time.
    fn store_listeners(&mut self, app: &App) {
        for step in app.listeners_to_store() {
            let sent = store::send(&self.manager.socket, &step);
            if !self.note(&sent) {
                return;
            }
            app.listener_stored(&step);
        }
    }

    fn ping(&mut self, app: &App) {
        let liveness = probes::liveness(app);
        if liveness.ready() {
            self.liveness_failed = false;
            self.send(&NotifyState::Watchdog.to_string());
        } else if !std::mem::replace(&mut self.liveness_failed, true) {
            error!(
                self.service.log(),
                "not alive: {}; the watchdog gets no sign of life",
                liveness.reasons.join("; ")
            );
        }
    }

    fn send(&mut self, message: &str) -> bool {
        let sent = self.manager.socket.send(message);
        self.note(&sent)
    }

    /// Warns of the first failure.
    fn note(&mut self, sent: &io::Result<()>) -> bool {
        if let Err(problem) = sent
            && !std::mem::replace(&mut self.warned, true)
        {
            warn!(
                self.service.log(),
                "systemd does not take a notification: {problem}; it is sent again every second"
            );
        }
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests;
