//! What systemd is told of the application that runs in this process: `sd_notify(3)`.
//!
//! | when | what |
//! |---|---|
//! | services start | `STATUS`, and every 5 s more time, which counts once `TimeoutStartSec` is over |
//! | `/readyz` says yes for the first time | `READY=1` |
//! | something else is to be said | `STATUS` |
//! | a reload was asked for (SIGHUP) | `RELOADING=1` with the time; `READY=1` once configs were read again |
//! | the stop begins | `STOPPING=1`, and how much time it may take, again every 5 s |
//! | every half of the watchdog's time | `WATCHDOG=1`, unless the liveness probe says no |
//!
//! Where `NOTIFY_SOCKET` is not set nothing happens at all. A socket that is full or gone never makes anything wait or
//! fail: one line in the log says so, and what was not told is told again every second until it gets through.
//!
//! The environment variables stay as they are: to remove one is unsafe in a process with threads. Programs that a
//! service starts inherit them, and should be started without.

mod socket;
mod status;
mod story;
mod watchdog;

use std::time::Duration;

use app_config::Configs;
use app_core::{
    App,
    prelude::{Error, Service, error, info, warn},
};
use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use self::{
    socket::ManagerSocket,
    story::{Now, Story},
};
use crate::probes;

/// How often it is looked what is to be told, before the app is ready and after.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// While services start, and while they stop, more time is asked for so often: systemd forgets it with each
/// `systemctl daemon-reload`.
const EXTEND_EVERY: Duration = Duration::from_secs(5);
/// And so much of it at the start. The stop has a limit of its own.
const EXTEND_BY: Duration = Duration::from_secs(30);

/// `WATCHDOG=1` goes out twice in the watchdog's time, but no more and no less often than this: what a variable says may be
/// anything.
const PING_EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));

/// The service manager that started this process.
pub(crate) struct Manager {
    socket: ManagerSocket,
    /// Within this time it wants to hear that the process is alive.
    watchdog: Option<Duration>,
}

/// Tells systemd of the app for as long as the health service runs, if this process was started by systemd and the app is
/// the process's own. What is wrong in the environment is told in one warning, and never stops the start.
///
/// # Errors
/// `ServiceNotAlive`.
pub(crate) fn spawn(service: &Service, configs: &Configs) -> Result<(), Error> {
    if !is_the_process(service.app()) {
        return Ok(());
    }
    let socket = match ManagerSocket::from_environment() {
        None => return Ok(()),
        Some(Ok(socket)) => socket,
        Some(Err(problem)) => {
            warn!(service.log(), "systemd can't be told how the app is: NOTIFY_SOCKET: {problem}");
            return Ok(());
        }
    };
    let watchdog = watchdog::from_environment().unwrap_or_else(|problem| {
        warn!(service.log(), "{problem}");
        None
    });
    let seconds = watchdog.map(|time| time.as_secs_f64());
    info!(service.log(), "telling systemd how the app is"; "watchdog_seconds" => seconds);
    service.spawn("systemd", tell(service.clone(), configs.clone(), Manager { socket, watchdog }))
}

/// Whether this is the app that the process was started for: tests have others, of which systemd knows nothing.
fn is_the_process(app: &App) -> bool {
    app_core::current().is_ok_and(|current| current.instance() == app.instance())
}

/// The task: tells what there is to tell, until the service is killed, and then a last time.
async fn tell(service: Service, configs: Configs, manager: Manager) {
    let app = service.app().clone();
    let (mut reloads, mut reloaded) = (app.reloads(), configs.reloaded());
    let mut story = Story::new(*reloads.borrow());
    let mut teller = Teller { service, manager, warned: false, doubted: false };
    let mut pings = teller.manager.watchdog.map(|time| ticks((time / 2).clamp(PING_EVERY.0, PING_EVERY.1)));
    let (mut before, mut after) = (ticks(LOOK_EVERY.0), ticks(LOOK_EVERY.1));
    let mut extended: Option<Instant> = None;
    loop {
        let alive = teller.service.alive();
        let now = Now::of(&app, &configs, *reloads.borrow_and_update(), *reloaded.borrow_and_update());
        let was_stopping = story.is_stopping();
        teller.tell(&mut story, &now);
        if story.is_stopping() && !was_stopping {
            // The message of the stop has it.
            extended = Some(Instant::now());
        }
        let start = (now.starting && !story.was_ready()).then_some(EXTEND_BY);
        if let Some(time) = now.stops_within.or(start)
            && extended.is_none_or(|at| at.elapsed() >= EXTEND_EVERY)
        {
            extended = Some(Instant::now());
            teller.send(&story::extend_by(time));
        }
        if !alive {
            return;
        }
        let stopping = !app.alive();
        tokio::select! {
            biased;
            () = teller.service.dying() => {}
            () = app.dying(), if !stopping => {}
            () = tick(&mut pings) => teller.ping(&app),
            Ok(()) = reloads.changed() => {}
            Ok(()) = reloaded.changed() => {}
            _ = before.tick(), if !story.was_ready() => {}
            _ = after.tick() => {}
        }
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// For ever, where there are none.
async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// Says things, and what is wrong when that can't be done, once.
struct Teller {
    service: Service,
    manager: Manager,
    warned: bool,
    /// Whether the liveness probe says no.
    doubted: bool,
}

impl Teller {
    /// Everything that is to be told now, in order. What can't be told is tried again the next time.
    fn tell(&mut self, story: &mut Story, now: &Now) {
        while let Some(step) = story.next(now) {
            if !self.send(&step.message(now)) {
                return;
            }
            story.told(step, now);
        }
    }

    fn ping(&mut self, app: &App) {
        let liveness = probes::liveness(app);
        if liveness.ready() {
            self.doubted = false;
            self.send(&NotifyState::Watchdog.to_string());
        } else if !std::mem::replace(&mut self.doubted, true) {
            error!(
                self.service.log(),
                "not alive, so the watchdog is not told: {}",
                liveness.reasons.join("; ")
            );
        }
    }

    fn send(&mut self, message: &str) -> bool {
        let sent = self.manager.socket.send(message);
        if let Err(problem) = &sent
            && !std::mem::replace(&mut self.warned, true)
        {
            warn!(self.service.log(), "systemd was not told, and will be as soon as it can be: {problem}");
        }
        sent.is_ok()
    }
}

#[cfg(test)]
mod tests;
