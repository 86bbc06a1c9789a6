//! The state of an app: its phase, why it stops, and how it stopped.

use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{StopCause, StopReport, events::AppMoment};

/// The phases of an app, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum AppPhase {
    Made = 0,
    Starting = 1,
    Running = 2,
    Stopping = 3,
    Stopped = 4,
}

/// The first kill of an app.
pub(crate) struct FirstKill {
    pub(crate) cause: StopCause,
    pub(crate) at: Instant,
}

/// The state of an app.
pub(crate) struct AppState {
    phase: AtomicU8,
    first_kill: OnceLock<FirstKill>,
    /// When the drain ends. The first kill sets it, and later kills may bring it forward.
    pub(crate) drain_end: watch::Sender<Option<Instant>>,
    /// Cancelled by the first kill.
    pub(crate) dying: CancellationToken,
    /// Cancelled at the end of the stop.
    pub(crate) dead: CancellationToken,
    report: OnceLock<StopReport>,
}

impl Default for AppState {
    fn default() -> Self {
        Self {
            phase: AtomicU8::new(AppPhase::Made as u8),
            first_kill: OnceLock::new(),
            drain_end: watch::channel(None).0,
            dying: CancellationToken::new(),
            dead: CancellationToken::new(),
            report: OnceLock::new(),
        }
    }
}

impl AppState {
    pub(crate) fn phase(&self) -> AppPhase {
        match self.phase.load(Ordering::Acquire) {
            0 => AppPhase::Made,
            1 => AppPhase::Starting,
            2 => AppPhase::Running,
            3 => AppPhase::Stopping,
            _ => AppPhase::Stopped,
        }
    }

    /// Leaves the phase [`Made`](AppPhase::Made). Returns false if another caller did.
    pub(crate) fn begin(&self, next: AppPhase) -> bool {
        let (made, next) = (AppPhase::Made as u8, next as u8);
        self.phase.compare_exchange(made, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn enter(&self, phase: AppPhase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Whether the app was not killed.
    pub(crate) fn alive(&self) -> bool {
        self.first_kill.get().is_none()
    }

    /// Keeps the first kill and tells everyone who waits for it. Returns false if it is not the first.
    pub(crate) fn kill(&self, kill: FirstKill) -> bool {
        let first = self.first_kill.set(kill).is_ok();
        if first {
            self.dying.cancel();
        }
        first
    }

    pub(crate) fn first_kill(&self) -> Option<&FirstKill> {
        self.first_kill.get()
    }

    /// The report of a stop that is over.
    pub(crate) fn report(&self) -> Option<&StopReport> {
        self.report.get()
    }

    /// Keeps the report. The first one stays.
    pub(crate) fn keep_report(&self, report: StopReport) {
        let _ = self.report.set(report);
    }

    /// The state as events need it.
    pub(crate) fn moment(&self) -> AppMoment {
        match self.phase() {
            _ if !self.alive() => AppMoment::Stopping,
            AppPhase::Starting => AppMoment::Starting,
            _ => AppMoment::Started,
        }
    }
}
