//! Asking other instances: who is there, and where their servers listen.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app_core::plugins::discovery::{AddressFinder, SoughtServer};
use app_core::prelude::Service;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::instance::Instance;
use super::{PREFIX, service_name};
use crate::context::Context;
use crate::transport::{Outgoing, TransportError};
use crate::wire::{Headers, random_id};

/// How long the first answer is waited for, and how long a further one after the last.
const FIRST_WITHIN: Duration = Duration::from_secs(1);
const NEXT_WITHIN: Duration = Duration::from_millis(250);

/// The longest time for all answers.
const ALL_WITHIN: Duration = Duration::from_secs(3);

/// The most answers that are read.
const MAX_ANSWERS: usize = 4096;

/// How many answers wait to be read.
const CAPACITY: usize = 1024;

/// How many askings wait, and how many run.
const QUEUE: usize = 64;
const AT_A_TIME: usize = 8;

/// Asks the instances of applications.
#[derive(Clone)]
pub(crate) struct Asker {
    context: Arc<Context>,
    /// What the subjects of answers begin with.
    inbox_prefix: Arc<str>,
}

impl Asker {
    pub(crate) fn new(context: Arc<Context>, inbox_prefix: &str) -> Self {
        Self { context, inbox_prefix: inbox_prefix.into() }
    }

    /// All instances of all applications of this domain that answer in time, sorted.
    pub(crate) async fn all(&self) -> Result<Vec<Instance>, TransportError> {
        let domain = self.context.identity.domain.hex();
        let mut all = self.ask(format!("{PREFIX}.INFO"), Instant::now() + ALL_WITHIN).await?;
        all.retain(|instance| instance.domain == domain);
        Ok(all)
    }

    /// The instances that answer on a subject, each once, sorted.
    async fn ask(&self, subject: String, deadline: Instant) -> Result<Vec<Instance>, TransportError> {
        let transport = &self.context.transport;
        let inbox = format!("{}.{}", self.inbox_prefix, random_id());
        let question =
            Outgoing { subject, reply: Some(inbox.clone()), headers: Headers::new(), payload: Bytes::new() };
        let asked = async {
            let answers = transport.subscribe(inbox, None, CAPACITY).await?;
            transport.publish(question).await?;
            Ok(answers)
        };
        let mut answers = timeout_at(deadline, asked).await.unwrap_or(Err(TransportError::NotConnected))?;
        let last = deadline.min(Instant::now() + ALL_WITHIN);
        let (mut next, mut all) = (Instant::now() + FIRST_WITHIN, BTreeMap::new());
        for _ in 0..MAX_ANSWERS {
            let Ok(Some(answer)) = timeout_at(next.min(last), answers.messages.recv()).await else { break };
            next = Instant::now() + NEXT_WITHIN;
            if let Some(instance) = Instance::read(&answer.payload) {
                all.insert((instance.app.clone(), instance.instance.clone()), instance);
            }
        }
        Ok(all.into_values().collect())
    }

    async fn addresses(&self, server: SoughtServer, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let subject = format!("{PREFIX}.INFO.{}", service_name(server.domain, server.app));
        let all = self
            .ask(subject, deadline)
            .await
            .map_err(|error| format!("instances can't be asked: {error}"))?;
        // One that stops takes no new connections.
        let stays = |instance: &&Instance| instance.state != "stopping";
        let name = format!("{}_{}_{}", server.domain, server.app, server.service);
        let mut addresses: Vec<_> =
            all.iter().filter(stays).flat_map(|instance| instance.addresses_of(&name)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Ok(addresses)
    }

    /// A finder of addresses, whose work are tasks of this service.
    pub(crate) fn finder(
        &self,
        service: &Service,
    ) -> Result<Arc<dyn AddressFinder>, app_core::prelude::Error> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let (asker, me) = (self.clone(), service.clone());
        let turns = Arc::new(tokio::sync::Semaphore::new(AT_A_TIME));
        service.spawn("discovery finds", async move {
            loop {
                let job = tokio::select! {
                    () = me.dying() => return Ok::<(), app_core::prelude::Error>(()),
                    job = queue.recv() => job,
                };
                let Some(Job { server, deadline, answer }) = job else { return Ok(()) };
                let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return Ok(()) };
                let asker = asker.clone();
                // Only a dead service refuses it. Then its caller learns that the finder is gone.
                let _ = me.spawn("discovery asks", async move {
                    // The caller may have stopped waiting.
                    let _ = answer.send(asker.addresses(server, deadline).await);
                    drop(turn);
                });
            }
        })?;
        Ok(Arc::new(Finder { jobs }))
    }
}

struct Job {
    server: SoughtServer,
    deadline: Instant,
    answer: oneshot::Sender<Result<Vec<SocketAddr>, String>>,
}

/// Hands questions to the messaging service, since an RPC client asks from a thread of its own.
struct Finder {
    jobs: mpsc::Sender<Job>,
}

impl AddressFinder for Finder {
    fn find(
        &self,
        server: SoughtServer,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Vec<SocketAddr>, String>> {
        Box::pin(async move {
            let gone = || "instances can't be asked: service messaging does not run".to_owned();
            let (answer, answered) = oneshot::channel();
            self.jobs.send(Job { server, deadline, answer }).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        })
    }
}
