//! The interface `EventStream`: what happens, to be asked for.
//!
//! One task of the service follows the lifecycle and the health checks, notes the time, and gives what happened to all streams. A
//! stream is a place in that one sequence, so streams that nobody asks cost nothing; what is asked for too late is counted.

mod story;

use std::rc::Rc;
use std::sync::Arc;

use app_core::prelude::*;
use app_core::{AppEvent, ServiceEventKind};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthChecks, HealthEvent};
use capnp::{Error as RpcError, struct_list};
use schema::admin_capnp::{event, event_stream};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, WeakSender, channel};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, timeout_at};

pub(super) use self::story::Happening;
use super::clients::{Slot, Slots};
use super::count;
use super::gate::Session;
use super::millis_of;

/// How many events there are for streams that are not asked.
const EVENTS: usize = 1024;

/// The most events in an answer. Each has a few hundred bytes, and 3 KiB at most.
const MAX_EVENTS: usize = 128;

/// Calls that may wait on a stream. With one behind the other there is always one that is told of the end: a server that stops
/// answers what waits, and takes nothing new.
const MAX_ASKING: usize = 2;

/// The longest wait for an event.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// What happens, for streams.
pub(super) struct Happenings {
    /// The task has the sender: when it ends, streams do.
    sender: WeakSender<Arc<Happening>>,
    /// How many events the task itself came too late for.
    lost: watch::Receiver<u64>,
}

impl Happenings {
    /// Follows the app of this service, for as long as the service lives.
    pub(super) fn follow(service: &Service) -> Result<Self, Error> {
        let (sender, lost) = (channel(EVENTS).0, watch::Sender::new(0));
        let happenings = Self { sender: sender.downgrade(), lost: lost.subscribe() };
        let events = service.app().events();
        service.spawn("events", follow(service.clone(), events, sender, lost))?;
        Ok(happenings)
    }
}

/// Gives what happens to all streams.
async fn follow(
    service: Service,
    mut lifecycle: Receiver<AppEvent>,
    sender: Sender<Arc<Happening>>,
    lost: watch::Sender<u64>,
) {
    let app = service.app();
    let health_events = || app.get::<HealthChecks>().ok().map(|checks| checks.events());
    let mut health = health_events();
    loop {
        let happening = tokio::select! {
            biased;
            event = lifecycle.recv() => match event {
                Ok(event) => {
                    if is_start_of_health(&event) {
                        health = health_events();
                    }
                    Happening::of_app(app, &event)
                }
                Err(RecvError::Lagged(missed)) => {
                    lost.send_modify(|lost| *lost += missed);
                    continue;
                }
                Err(RecvError::Closed) => return,
            },
            event = next(&mut health) => match event {
                Ok(event) => Happening::of_check(&event),
                Err(RecvError::Lagged(missed)) => {
                    lost.send_modify(|lost| *lost += missed);
                    continue;
                }
                Err(RecvError::Closed) => {
                    health = None;
                    continue;
                }
            },
            // Last, so that what led here is told.
            () = service.dying() => return,
        };
        // Without a stream there is nobody to tell.
        let _ = sender.send(Arc::new(happening));
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

/// A stream of one client.
pub(super) struct StreamServer {
    /// Whoever asks has it until the answer; the next waits for its turn.
    stream: AsyncMutex<Stream>,
    /// Calls that have no answer yet.
    asking: Slots,
    _place: Slot,
}

struct Stream {
    events: Receiver<Arc<Happening>>,
    lost: watch::Receiver<u64>,
    /// As many were lost when the stream began, or was asked last.
    told: u64,
}

/// What there is for an answer.
#[derive(Default)]
struct Batch {
    events: Vec<Arc<Happening>>,
    missed: u64,
    end: bool,
}

impl StreamServer {
    pub(super) fn open(session: &Rc<Session>) -> capnp::Result<Self> {
        let place = session.client.streams.take("streams of events")?;
        let Happenings { sender, lost } = &session.admin.happenings;
        let gone = || RpcError::failed("there are no more events: the application stops".to_owned());
        let events = sender.upgrade().ok_or_else(gone)?.subscribe();
        let told = *lost.borrow();
        let stream = Stream { events, lost: lost.clone(), told };
        Ok(Self { stream: AsyncMutex::new(stream), asking: Slots::new(MAX_ASKING), _place: place })
    }
}

impl Stream {
    /// What there is; or else the first that comes until then, and what came with it.
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
        batch.missed += lost - std::mem::replace(&mut self.told, lost);
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
        let _asking = self.asking.take("calls that wait on this stream")?;
        // Answered in the order in which they came.
        let mut stream = self.stream.lock().await;
        let batch = stream.next(most, until).await;
        let mut results = results.get();
        results.set_missed(batch.missed);
        results.set_end(batch.end);
        write(&batch.events, results.init_events(count(batch.events.len())));
        Ok(())
    }
}

fn write(events: &[Arc<Happening>], mut list: struct_list::Builder<'_, event::Owned>) {
    for (place, happening) in (0..).zip(events) {
        let mut to = list.reborrow().get(place);
        to.set_at_millis(millis_of(happening.at));
        to.set_kind(happening.kind);
        to.set_event_id(happening.event.map_or(0, LogEventId::as_u64));
        if let Some((id, name)) = &happening.service {
            to.set_service_id(id.as_u64());
            to.set_service_name(name);
        }
        if let Some((id, name)) = &happening.check {
            to.set_health_check_id(id.as_u64());
            to.set_health_check_name(name);
        }
        to.set_message(&happening.message);
    }
}
