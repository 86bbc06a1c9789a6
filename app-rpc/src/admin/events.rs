//! The interface `EventStream`: events of the application, which clients pull.
//!
//! One task of the service receives the events of the lifecycle and of the health checks, and publishes each with its time. A stream is
//! a position in that one sequence, so an idle stream costs nothing. A stream that is too slow misses events, and counts them.

mod occurrence;

use std::rc::Rc;
use std::sync::Arc;

use app_core::events::{AppEvent, ServiceEventKind};
use app_core::prelude::*;
use app_health::{HEALTHCHECK_SERVICE_ID, HealthChecks, HealthEvent};
use capnp::{Error as RpcError, struct_list};
use schema::admin_capnp::{event, event_stream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, WeakSender, channel};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, timeout_at};

pub(super) use self::occurrence::Occurrence;
use super::clients::{Slot, Slots};
use super::count;
use super::gate::Session;
use super::millis_of;

/// How many events are kept for slow streams.
const EVENTS: usize = 1024;

/// The most events in an answer. Each has a few hundred bytes, and 3 KiB at most.
const MAX_EVENTS: usize = 128;

/// The most calls that wait on a stream. A client with two calls under way always learns of the end: a server that stops answers waiting
/// calls, and takes no new ones.
const MAX_WAITING: usize = 2;

/// The longest wait for an event.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The sequence of all events.
pub(super) struct EventFeed {
    /// The task holds the sender, so streams end with the task.
    sender: WeakSender<Arc<Occurrence>>,
    /// How many events the task itself has missed.
    lost: watch::Receiver<u64>,
}

impl EventFeed {
    /// Starts the task, which publishes the events of the service's app.
    pub(super) fn follow(service: &Service) -> Result<Self, Error> {
        let (sender, lost) = (channel(EVENTS).0, watch::Sender::new(0));
        let feed = Self { sender: sender.downgrade(), lost: lost.subscribe() };
        let events = App::of(service).events();
        service.spawn("events", publish(service.clone(), events, sender, lost))?;
        Ok(feed)
    }
}

/// Publishes events to all streams.
async fn publish(
    service: Service,
    mut lifecycle: Receiver<AppEvent>,
    sender: Sender<Arc<Occurrence>>,
    lost: watch::Sender<u64>,
) {
    let app = &App::of(&service);
    let health_events = || app.get::<HealthChecks>().ok().map(|checks| checks.events());
    let mut health = health_events();
    loop {
        let occurrence = tokio::select! {
            biased;
            event = lifecycle.recv() => match event {
                Ok(event) => {
                    if is_start_of_health(&event) {
                        health = health_events();
                    }
                    Occurrence::of_app(app, &event)
                }
                Err(RecvError::Lagged(missed)) => {
                    lost.send_modify(|lost| *lost += missed);
                    continue;
                }
                Err(RecvError::Closed) => return,
            },
            event = next(&mut health) => match event {
                Ok(event) => Occurrence::of_check(&event),
                Err(RecvError::Lagged(missed)) => {
                    lost.send_modify(|lost| *lost += missed);
                    continue;
                }
                Err(RecvError::Closed) => {
                    health = None;
                    continue;
                }
            },
            // Last, so that the events before it are published.
            () = service.dying() => return,
        };
        // There may be no stream.
        let _ = sender.send(Arc::new(occurrence));
    }
}

async fn next(health: &mut Option<Receiver<HealthEvent>>) -> Result<HealthEvent, RecvError> {
    match health {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

fn is_start_of_health(event: &AppEvent) -> bool {
    matches!(event, AppEvent::Service { id, kind: ServiceEventKind::Started { .. } } if *id == HEALTHCHECK_SERVICE_ID)
}

/// Serves `EventStream`: a stream of one client.
pub(super) struct StreamServer {
    /// Locked by the call that is being answered. Other calls wait in order.
    position: AsyncMutex<StreamPosition>,
    /// Calls that have no answer yet.
    waiting: Slots,
    _slot: Slot,
}

/// How far a stream has read.
struct StreamPosition {
    events: Receiver<Arc<Occurrence>>,
    lost: watch::Receiver<u64>,
    /// The value of `lost` that the client knows.
    reported: u64,
}

/// The content of an answer.
#[derive(Default)]
struct Batch {
    events: Vec<Arc<Occurrence>>,
    missed: u64,
    end: bool,
}

impl StreamServer {
    pub(super) fn open(session: &Rc<Session>) -> capnp::Result<Self> {
        let slot = session.client.streams.take("streams of events")?;
        let EventFeed { sender, lost } = &session.admin.feed;
        let gone = || RpcError::failed("no more events come: the application stops".to_owned());
        let events = sender.upgrade().ok_or_else(gone)?.subscribe();
        let reported = *lost.borrow();
        let position = StreamPosition { events, lost: lost.clone(), reported };
        Ok(Self { position: AsyncMutex::new(position), waiting: Slots::new(MAX_WAITING), _slot: slot })
    }
}

impl StreamPosition {
    /// All events that are there. If there are none, waits until `until` for the next one.
    async fn next(&mut self, most: usize, until: Instant) -> Batch {
        let mut batch = Batch::default();
        self.take(&mut batch, most);
        if batch.events.is_empty() && batch.missed == 0 && !batch.end {
            match timeout_at(until, self.events.recv()).await {
                Ok(Ok(event)) => batch.events.push(event),
                Ok(Err(RecvError::Lagged(missed))) => batch.missed += missed,
                Ok(Err(RecvError::Closed)) => batch.end = true,
                Err(_) => {}
            }
            self.take(&mut batch, most);
        }
        let lost = *self.lost.borrow();
        batch.missed += lost - std::mem::replace(&mut self.reported, lost);
        batch
    }

    fn take(&mut self, batch: &mut Batch, most: usize) {
        while batch.events.len() < most {
            match self.events.try_recv() {
                Ok(event) => batch.events.push(event),
                Err(TryRecvError::Lagged(missed)) => batch.missed += missed,
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Closed) => {
                    batch.end = true;
                    return;
                }
            }
        }
    }
}

impl event_stream::Server for StreamServer {
    async fn next(
        self: Rc<Self>,
        params: event_stream::NextParams,
        mut results: event_stream::NextResults,
    ) -> Result<(), RpcError> {
        let params = params.get()?;
        let most = match usize::from(params.get_max_events()) {
            0 => MAX_EVENTS,
            most => most.min(MAX_EVENTS),
        };
        let until = Instant::now() + Duration::from_millis(params.get_wait_millis().into()).min(MAX_WAIT);
        let _waiting = self.waiting.take("calls that wait on this stream")?;
        // Calls are answered in order.
        let mut position = self.position.lock().await;
        let batch = position.next(most, until).await;
        let mut results = results.get();
        results.set_missed(batch.missed);
        results.set_end(batch.end);
        write(&batch.events, results.init_events(count(batch.events.len())));
        Ok(())
    }
}

fn write(events: &[Arc<Occurrence>], mut list: struct_list::Builder<'_, event::Owned>) {
    for (place, occurrence) in (0..).zip(events) {
        let mut to = list.reborrow().get(place);
        to.set_at_millis(millis_of(occurrence.at));
        to.set_kind(occurrence.kind);
        to.set_event_id(occurrence.event.map_or(0, LogEventId::as_u64));
        if let Some((id, name)) = &occurrence.service {
            to.set_service_id(id.as_u64());
            to.set_service_name(name);
        }
        if let Some((id, name)) = &occurrence.check {
            to.set_health_check_id(id.as_u64());
            to.set_health_check_name(name);
        }
        to.set_message(&occurrence.message);
    }
}
