//! Which notification comes next: a pure function of the app's status and of what was sent.

use std::time::Duration;

use app_config::Configs;
use app_core::App;
use sd_notify::NotifyState;
use tokio::time::Instant;

use super::status::StatusSummary;

/// Added to the app's own stop deadline, so that the app ends before systemd kills it.
const MARGIN: Duration = Duration::from_secs(13);

/// The status of the app at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppStatus {
    /// Whether `/readyz` says yes.
    pub(crate) ready: bool,
    /// Whether services have not started yet.
    pub(crate) starting: bool,
    /// Upper bound of the time that the stop takes; `None` unless the app is stopping.
    pub(crate) stops_within: Option<Duration>,
    /// A readable status line.
    pub(crate) status: String,
    /// The number of the last requested reload.
    pub(crate) asked: u64,
    /// The number of the last finished reload.
    pub(crate) done: u64,
}

impl AppStatus {
    pub(crate) fn of(app: &App, configs: &Configs, asked: u64, done: u64) -> Self {
        let StatusSummary { ready, starting, status } = StatusSummary::of(app, configs);
        let stops_within = app.stop_deadline().map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // In whole seconds, rounded up.
            Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
                .saturating_add(MARGIN)
        });
        Self { ready, starting, stops_within, status, asked, done }
    }
}

/// A notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notification {
    /// The app is ready for the first time.
    Ready,
    /// The configs are being read again.
    Reloading,
    /// The configs were read again.
    Reloaded,
    /// The status line changed.
    Status,
    /// The stop began.
    Stopping,
}

impl Notification {
    /// The text of the notification.
    pub(crate) fn message(self, now: &AppStatus) -> String {
        let status = NotifyState::Status(&now.status).to_string();
        let ready = NotifyState::Ready.to_string();
        match self {
            Self::Ready | Self::Reloaded => format!("{ready}\n{status}"),
            Self::Status => status,
            Self::Reloading => {
                // Without the time, systemd would take the message for the answer to an earlier request. The clock
                // always works.
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

/// The variable that extends a timeout. Sd-notify has 32 bits of microseconds for it, which is 71 minutes.
pub(crate) fn extend_by(time: Duration) -> String {
    format!("EXTEND_TIMEOUT_USEC={}", u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// What was sent to systemd so far.
#[derive(Debug)]
pub(crate) struct SentState {
    ready: bool,
    stopping: bool,
    reloading: bool,
    /// The number of the last reload that was sent, or that was requested before the app was ready.
    asked: u64,
    status: String,
}

impl SentState {
    /// The state before the first notification. Reloads up to the number `asked` are ignored.
    pub(crate) fn new(asked: u64) -> Self {
        Self { ready: false, stopping: false, reloading: false, asked, status: String::new() }
    }

    /// Whether `READY=1` was sent. It stays so even if the app is not ready later.
    pub(crate) fn was_ready(&self) -> bool {
        self.ready
    }

    /// Whether `STOPPING=1` was sent.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// The next notification to send, if there is one.
    pub(crate) fn next(&self, now: &AppStatus) -> Option<Notification> {
        if now.stops_within.is_some() {
            return (!self.stopping).then_some(Notification::Stopping);
        }
        if !self.ready && now.ready {
            return Some(Notification::Ready);
        }
        if self.ready && self.asked != now.asked {
            return Some(Notification::Reloading);
        }
        if self.reloading && now.done == self.asked {
            return Some(Notification::Reloaded);
        }
        (self.status != now.status).then_some(Notification::Status)
    }

    /// Notes that a notification was sent.
    pub(crate) fn note(&mut self, step: Notification, now: &AppStatus) {
        match step {
            Notification::Ready => {
                self.ready = true;
                // A reload during the start is part of the start.
                self.asked = now.asked;
            }
            Notification::Reloading => {
                self.reloading = true;
                self.asked = now.asked;
                // This message does not contain the status line.
                return;
            }
            Notification::Reloaded => self.reloading = false,
            Notification::Stopping => self.stopping = true,
            Notification::Status => {}
        }
        self.status.clone_from(&now.status);
    }
}
