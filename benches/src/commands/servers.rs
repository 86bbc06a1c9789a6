//! The compared servers: ours in both modes, the actor crates, and the baseline, which is a bare channel of boxed closures. The
//! command adds a captured amount to a number, and the call reads the number.
//!
//! Each server is written as its documentation recommends. All queues are bounded, except for `ractor`, which has no bounded queue.

use std::{fmt::Debug, future::Future, hint::black_box, sync::mpsc as threads, thread};

use actix::{Actor as _, ActorContext as _, Addr};
use app_core::{commands::CommandServer, prelude::*};
use kameo::{Actor, actor::Spawn as _, mailbox};
use ractor::{ActorProcessingErr, RpcReplyPort};
use tokio::sync::{mpsc, oneshot};

use crate::rounds::Failure;

/// A server that takes commands.
pub(crate) trait Server: Clone + Send + Sync + 'static {
    /// Submits a command. Waits for room in a bounded queue.
    fn submit(&self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Calls a command and waits for its answer.
    fn call(&self) -> impl Future<Output = Result<u64, Failure>> + Send;
}

fn failed(error: impl Debug) -> Failure {
    format!("{error:?}").into()
}

/// Our command server by default: commands run in its task.
pub(crate) const QUEUED: &str = "app-core, queued";
/// Our inline command server: callers may run commands on their own threads.
pub(crate) const INLINE: &str = "app-core, inline";
pub(crate) const BARE: &str = "bare tokio mpsc";
pub(crate) const KAMEO: &str = "kameo";
pub(crate) const ACTIX: &str = "actix";
pub(crate) const RACTOR: &str = "ractor";
/// `ractor`, whose queue is unbounded.
pub(crate) const RACTOR_UNBOUNDED: &str = "ractor, unbounded";
/// The actor crates.
pub(crate) const ACTORS: [&str; 3] = [ACTIX, KAMEO, RACTOR];
/// The actor crates whose queues are bounded.
pub(crate) const BOUNDED: [&str; 2] = [ACTIX, KAMEO];

/// Our command server.
#[derive(Clone)]
pub(crate) struct Platform(CommandServer<u64>);

impl Platform {
    pub(crate) fn queued(service: &Service, capacity: u16) -> Result<Self, Error> {
        CommandServer::builder("queued", capacity).spawn(service, 0).map(Self)
    }

    pub(crate) fn inline(service: &Service, capacity: u16) -> Result<Self, Error> {
        CommandServer::builder("inline", capacity).inline().spawn(service, 0).map(Self)
    }
}

impl Server for Platform {
    async fn submit(&self) -> Result<(), Failure> {
        let amount = black_box(1);
        Ok(self.0.submit(move |count| *count += amount).await?)
    }

    async fn call(&self) -> Result<u64, Failure> {
        Ok(self.0.call(|count| *count).await?)
    }
}

type Boxed = Box<dyn FnOnce(&mut u64) + Send>;

/// The baseline: it catches no panic, has no name, and cannot be killed.
#[derive(Clone)]
pub(crate) struct Bare(mpsc::Sender<Boxed>);

impl Bare {
    pub(crate) fn start(capacity: u16) -> Self {
        let (sender, mut commands) = mpsc::channel::<Boxed>(usize::from(capacity));
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(command) = commands.recv().await {
                command(&mut count);
            }
        });
        Self(sender)
    }
}

impl Server for Bare {
    async fn submit(&self) -> Result<(), Failure> {
        let amount = black_box(1);
        self.0.send(Box::new(move |count| *count += amount)).await.map_err(failed)
    }

    async fn call(&self) -> Result<u64, Failure> {
        let (answer, answered) = oneshot::channel();
        let command: Boxed = Box::new(move |count| {
            let _ = answer.send(*count);
        });
        self.0.send(command).await.map_err(failed)?;
        Ok(answered.await?)
    }
}

#[derive(Actor)]
pub(crate) struct KameoCount(u64);

struct Add(u64);
struct Read;

impl kameo::message::Message<Add> for KameoCount {
    type Reply = ();

    async fn handle(&mut self, Add(amount): Add, _: &mut kameo::message::Context<Self, ()>) {
        self.0 += amount;
    }
}

impl kameo::message::Message<Read> for KameoCount {
    type Reply = u64;

    async fn handle(&mut self, _: Read, _: &mut kameo::message::Context<Self, u64>) -> u64 {
        self.0
    }
}

#[derive(Clone)]
pub(crate) struct Kameo(pub(crate) kameo::actor::ActorRef<KameoCount>);

impl Kameo {
    pub(crate) fn start(capacity: u16) -> Self {
        Self(KameoCount::spawn_with_mailbox(KameoCount(0), mailbox::bounded(usize::from(capacity))))
    }
}

impl Server for Kameo {
    async fn submit(&self) -> Result<(), Failure> {
        self.0.tell(Add(black_box(1))).await.map_err(failed)
    }

    async fn call(&self) -> Result<u64, Failure> {
        self.0.ask(Read).await.map_err(failed)
    }
}

struct RactorCount;

pub(crate) enum RactorMessage {
    Add(u64),
    Read(RpcReplyPort<u64>),
}

impl ractor::Actor for RactorCount {
    type Msg = RactorMessage;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ractor::ActorRef<RactorMessage>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ractor::ActorRef<RactorMessage>,
        message: RactorMessage,
        count: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RactorMessage::Add(amount) => *count += amount,
            RactorMessage::Read(answer) => answer.send(*count)?,
        }
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Ractor(pub(crate) ractor::ActorRef<RactorMessage>);

impl Ractor {
    pub(crate) async fn start() -> Result<Self, Failure> {
        Self::start_as(None).await
    }

    pub(crate) async fn start_as(name: Option<String>) -> Result<Self, Failure> {
        let (actor, _) = ractor::Actor::spawn(name, RactorCount, ()).await.map_err(failed)?;
        Ok(Self(actor))
    }
}

impl Server for Ractor {
    async fn submit(&self) -> Result<(), Failure> {
        self.0.cast(RactorMessage::Add(black_box(1))).map_err(failed)
    }

    async fn call(&self) -> Result<u64, Failure> {
        ractor::call!(self.0, RactorMessage::Read).map_err(failed)
    }
}

#[derive(actix::Message)]
#[rtype(result = "()")]
struct ActixAdd(u64);

#[derive(actix::Message)]
#[rtype(result = "u64")]
struct ActixRead;

#[derive(actix::Message)]
#[rtype(result = "()")]
struct ActixStop;

pub(crate) struct ActixCount {
    capacity: usize,
    count: u64,
    /// Notified when the actor has stopped.
    stopped: Option<oneshot::Sender<()>>,
}

impl actix::Actor for ActixCount {
    type Context = actix::Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(self.capacity);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        if let Some(stopped) = self.stopped.take() {
            let _ = stopped.send(());
        }
    }
}

impl actix::Handler<ActixStop> for ActixCount {
    type Result = ();

    fn handle(&mut self, _: ActixStop, context: &mut Self::Context) {
        context.stop();
    }
}

impl actix::Handler<ActixAdd> for ActixCount {
    type Result = ();

    fn handle(&mut self, ActixAdd(amount): ActixAdd, _: &mut Self::Context) {
        self.count += amount;
    }
}

impl actix::Handler<ActixRead> for ActixCount {
    type Result = u64;

    fn handle(&mut self, _: ActixRead, _: &mut Self::Context) -> u64 {
        self.count
    }
}

/// Actors of `actix` belong to an arbiter, which has its own thread.
#[derive(Clone)]
pub(crate) struct Actix(pub(crate) Addr<ActixCount>);

impl Actix {
    /// An actor in the current arbiter.
    pub(crate) fn start(capacity: u16) -> Self {
        Self(ActixCount { capacity: usize::from(capacity), count: 0, stopped: None }.start())
    }

    /// An actor whose end the caller can wait for.
    pub(crate) fn start_mortal(capacity: u16) -> (Self, oneshot::Receiver<()>) {
        let (stopped, end) = oneshot::channel();
        let actor = ActixCount { capacity: usize::from(capacity), count: 0, stopped: Some(stopped) };
        (Self(actor.start()), end)
    }

    pub(crate) fn stop(&self) {
        self.0.do_send(ActixStop);
    }

    pub(crate) fn in_a_thread(capacity: u16, processor: Option<usize>) -> Result<Self, Failure> {
        let (sender, started) = threads::channel();
        thread::Builder::new().name("arbiter".into()).spawn(move || {
            let _ = processor.map(crate::pairs::pin);
            let system = actix::System::new();
            let actor = system.block_on(async move { Self::start(capacity) });
            let _ = sender.send(actor);
            // The arbiter lives until the process ends.
            let _ = system.run();
        })?;
        Ok(started.recv()?)
    }
}

impl Server for Actix {
    /// Does not wait for the answer if the queue has room. If it has none, `actix` offers only a send that waits for the answer.
    async fn submit(&self) -> Result<(), Failure> {
        match self.0.try_send(ActixAdd(black_box(1))) {
            Ok(()) => Ok(()),
            Err(actix::dev::SendError::Full(add)) => self.0.send(add).await.map_err(failed),
            Err(closed) => Err(failed(closed)),
        }
    }

    async fn call(&self) -> Result<u64, Failure> {
        self.0.send(ActixRead).await.map_err(failed)
    }
}
