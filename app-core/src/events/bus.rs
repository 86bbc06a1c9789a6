//! The event bus: each event goes to the board, the log, the journal and every subscriber, in this order.

use std::borrow::Cow;

use slog::{Level, Logger};
use tokio::sync::broadcast;

use super::{
    AppEvent, Journal, ServiceEventKind,
    board::Board,
    event_log::{Stage, log_event, log_service_event, service_level},
};
use app_ids::ServiceId;

/// How many events a subscriber may lag behind before it misses some.
const CAPACITY: usize = 1024;

/// A service, as far as its events need it.
pub(crate) trait EventSource {
    fn id(&self) -> ServiceId;

    /// Its name, without a copy if it is static.
    fn name(&self) -> Cow<'static, str>;

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
    journal: Journal,
    subscribers: broadcast::Sender<AppEvent>,
}

impl EventBus {
    /// A bus whose events of the app go to this logger. Those of services go to the loggers of the services.
    pub(crate) fn new(logger: Logger) -> Self {
        Self {
            logger,
            board: Board::default(),
            journal: Journal::new(),
            subscribers: broadcast::channel(CAPACITY).0,
        }
    }

    /// The state of the services, as the events up to now tell it.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// The last events.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<AppEvent> {
        self.subscribers.subscribe()
    }

    /// Publishes an event of the app.
    pub(crate) fn publish(&self, event: AppEvent) {
        log_event(&self.logger, &event);
        self.journal.add_of_app(&event);
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
        self.journal.add_of_service(id, service.name(), &kind);
        self.broadcast(AppEvent::Service { id, kind });
    }

    fn broadcast(&self, event: AppEvent) {
        // Fails when there is no subscriber.
        let _ = self.subscribers.send(event);
    }
}
