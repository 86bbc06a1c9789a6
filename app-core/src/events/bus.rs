//! The event bus: each event goes to the board, the log and every subscriber, in this order.

use slog::{Level, Logger};
use tokio::sync::broadcast;

use super::{
    AppEvent, ServiceEventKind,
    board::Board,
    event_log::{Stage, log_event, log_service_event, service_level},
};
use app_ids::ServiceId;

/// How many events a subscriber may lag behind before it misses some.
const CAPACITY: usize = 1024;

/// A service, as far as its events need it.
pub(crate) trait EventSource {
    fn id(&self) -> ServiceId;

    /// Whether the app is made of it. Services that are made at run time are not on the board.
    fn is_on_board(&self) -> bool;

    /// Whether records of this level may be written.
    fn logs_at(&self, level: Level) -> bool;

    fn logger(&self) -> &Logger;
}

/// The state of the app at the moment of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppMoment {
    /// It was not killed, and starts its services.
    Starting,
    /// It was not killed, and its start is over.
    Started,
    /// It was killed.
    Stopping,
}

/// Publishes lifecycle events.
pub(crate) struct EventBus {
    logger: Logger,
    board: Board,
    subscribers: broadcast::Sender<AppEvent>,
}

impl EventBus {
    /// A bus whose events of the app go to this logger. Those of services go to the loggers of the services.
    pub(crate) fn new(logger: Logger) -> Self {
        Self { logger, board: Board::default(), subscribers: broadcast::channel(CAPACITY).0 }
    }

    /// The state of the services, as the events up to now tell it.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<AppEvent> {
        self.subscribers.subscribe()
    }

    /// Publishes an event of the app.
    pub(crate) fn publish(&self, event: AppEvent) {
        log_event(&self.logger, &event);
        self.broadcast(event);
    }

    /// Publishes an event of a service.
    pub(crate) fn publish_service(&self, service: &impl EventSource, kind: ServiceEventKind, app: AppMoment) {
        let id = service.id();
        let has_run = !service.is_on_board() || self.board.note(id, &kind, app == AppMoment::Stopping);
        let stage = match (has_run, app) {
            (true, _) => Stage::HasRun,
            (false, AppMoment::Starting) => Stage::Starting,
            (false, _) => Stage::Restarting,
        };
        if service.logs_at(service_level(&kind, stage)) {
            log_service_event(service.logger(), id, &kind, stage);
        }
        self.broadcast(AppEvent::Service { id, kind });
    }

    fn broadcast(&self, event: AppEvent) {
        // Fails when there is no subscriber.
        let _ = self.subscribers.send(event);
    }
}
