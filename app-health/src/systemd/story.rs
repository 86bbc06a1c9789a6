//! What is told in which order: a pure function of how the app is and of what was told.

use std::time::Duration;

use app_config::Configs;
use app_core::App;
use sd_notify::NotifyState;
use tokio::time::Instant;

use super::status::Standing;

/// Added to the app's own deadline. The app ends by itself before.
const MARGIN: Duration = Duration::from_secs(13);

/// How the app is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Now {
    /// What `/readyz` says.
    pub(crate) ready: bool,
    /// Whether services have not started yet.
    pub(crate) starting: bool,
    /// If it stops: within this time.
    pub(crate) stops_within: Option<Duration>,
    /// A line for people.
    pub(crate) status: String,
    /// The number of the last reload that was asked for.
    pub(crate) asked: u64,
    /// The number of the last one that was done.
    pub(crate) done: u64,
}

impl Now {
    pub(crate) fn of(app: &App, configs: &Configs, asked: u64, done: u64) -> Self {
        let Standing { ready, starting, status } = Standing::of(app, configs);
        let stops_within = app.stop_deadline().map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // In whole seconds, rounded up.
            Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
                .saturating_add(MARGIN)
        });
        Self { ready, starting, stops_within, status, asked, done }
    }
}

/// The next thing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The app is ready for the first time.
    Ready,
    /// Configs are read again.
    Reloading,
    /// They were.
    Reloaded,
    /// The status is another one.
    Status,
    /// The stop began.
    Stopping,
}

impl Step {
    /// What systemd gets.
    pub(crate) fn message(self, now: &Now) -> String {
        let status = NotifyState::Status(&now.status).to_string();
        let ready = NotifyState::Ready.to_string();
        match self {
            Self::Ready | Self::Reloaded => format!("{ready}\n{status}"),
            Self::Status => status,
            Self::Reloading => {
                // Without the time systemd would take it for the answer to an earlier request. There always is one.
                let time = NotifyState::monotonic_usec_now().map(|time| format!("\n{time}"));
                format!("{}{}", NotifyState::Reloading, time.unwrap_or_default())
            }
            Self::Stopping => {
                let time = now.stops_within.map(|limit| format!("\n{}", extend_by(limit)));
                format!("{}\n{status}{}", NotifyState::Stopping, time.unwrap_or_default())
            }
        }
    }
}

/// With 64 bits of microseconds: sd-notify's own has 32, which is 71 minutes.
pub(crate) fn extend_by(time: Duration) -> String {
    format!("EXTEND_TIMEOUT_USEC={}", u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// What was told.
#[derive(Debug)]
pub(crate) struct Story {
    ready: bool,
    stopping: bool,
    reloading: bool,
    /// The number of the last reload that was told, or was asked for before the app was ready.
    asked: u64,
    status: String,
}

impl Story {
    /// Of an app of which nothing was told. Reloads up to this number are none.
    pub(crate) fn new(asked: u64) -> Self {
        Self { ready: false, stopping: false, reloading: false, asked, status: String::new() }
    }

    /// Whether it was told that the app is ready; it is told once, whatever becomes of it.
    pub(crate) fn was_ready(&self) -> bool {
        self.ready
    }

    /// Whether it was told that the app stops.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// What is to be told next, if anything.
    pub(crate) fn next(&self, now: &Now) -> Option<Step> {
        if now.stops_within.is_some() {
            return (!self.stopping).then_some(Step::Stopping);
        }
        if !self.ready && now.ready {
            return Some(Step::Ready);
        }
        if self.ready && self.asked != now.asked {
            return Some(Step::Reloading);
        }
        if self.reloading && now.done == self.asked {
            return Some(Step::Reloaded);
        }
        (self.status != now.status).then_some(Step::Status)
    }

    /// Takes down that this was told.
    pub(crate) fn told(&mut self, step: Step, now: &Now) {
        match step {
            Step::Ready => {
                self.ready = true;
                // A reload during the start is part of the start.
                self.asked = now.asked;
            }
            Step::Reloading => {
                self.reloading = true;
                self.asked = now.asked;
                // It is not in this message.
                return;
            }
            Step::Reloaded => self.reloading = false,
            Step::Stopping => self.stopping = true,
            Step::Status => {}
        }
        self.status.clone_from(&now.status);
    }
}
