//! Answering the services protocol, until the service ends.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use app_core::{App, plugins::discovery, prelude::*};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::instance::INFO_RESPONSE;
use super::own::{metadata, own_name};
use super::own_address::OwnAddress;
use super::responders::Responders;
use super::{PREFIX, VERBS};
use crate::config::ServerAddress;
use crate::context::Context;
use crate::ids::DISCOVERY_DENIED;
use crate::transport::{Incoming, Outgoing, Subscription, TransportError};
use crate::wire::Headers;

/// How many questions wait. Further ones are dropped.
const CAPACITY: usize = 256;

/// The first and the longest pause before it is tried again to listen.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// How long the answer to a question to itself may take.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// How many questions to itself may reach nobody before that is taken for a denial.
const PROBES: usize = 3;

/// Answers until the service ends.
pub(crate) fn answer_requests(
    service: &Service,
    context: Arc<Context>,
    servers: Vec<ServerAddress>,
) -> Result<(), Error> {
    let app = App::of(service);
    let answering = Answering {
        name: own_name(&app),
        responders: app.kept(),
        own: OwnAddress::towards(servers),
        service: service.clone(),
        app,
        context,
    };
    service.spawn("discovery answers", answering.run())
}

struct Answering {
    app: App,
    service: Service,
    context: Arc<Context>,
    name: String,
    responders: Arc<Responders>,
    own: OwnAddress,
}

/// Why it does not listen.
enum NotListening {
    /// It may work later.
    Now,
    /// The account does not allow it.
    Denied,
}

impl Answering {
    async fn run(mut self) {
        let mut reloads = self.app.reloads();
        let (mut pause, mut told) = (PAUSES.0, false);
        loop {
            let listening = self.listen().await;
            let denied = matches!(listening, Err(NotListening::Denied));
            if let Ok(mut listening) = listening {
                pause = PAUSES.0;
                while let Some((verb, question)) = self.next(&mut listening).await {
                    self.answer(verb, &question).await;
                }
            } else if denied && !std::mem::replace(&mut told, true) {
                warn!(self.service.log(), "other instances can't find this one: the NATS account may not subscribe to $SRV.>; allow it, or set publishServices to false";
                    "event" => DISCOVERY_DENIED.hex());
            }
            let waits = async {
                if denied {
                    // Another config may bring another account.
                    let _ = reloads.changed().await;
                }
                sleep(pause).await;
            };
            tokio::select! {
                () = self.service.dying() => return,
                () = waits => pause = (pause * 2).min(PAUSES.1),
            }
        }
    }

    /// The subjects on which this instance is asked, each with its verb.
    fn subjects(&self) -> Vec<(&'static str, String)> {
        let (name, id) = (&self.name, self.app.instance());
        let of = |verb: &'static str| {
            let all = format!("{PREFIX}.{verb}");
            [(verb, format!("{all}.{name}.{id}")), (verb, format!("{all}.{name}")), (verb, all)]
        };
        VERBS.into_iter().flat_map(of).collect()
    }

    async fn listen(&mut self) -> Result<Vec<(&'static str, Subscription)>, NotListening> {
        let mut listening = Vec::new();
        for (verb, subject) in self.subjects() {
            match self.context.transport.subscribe(subject, None, CAPACITY).await {
                Ok(subscription) => listening.push((verb, subscription)),
                Err(TransportError::Refused(_)) => return Err(NotListening::Denied),
                Err(_) => return Err(NotListening::Now),
            }
        }
        self.probe(&mut listening).await.map(|()| listening)
    }

    /// Asks itself. A server says beside the answer that an account may not listen, and then nobody gets the question.
    async fn probe(&mut self, listening: &mut [(&'static str, Subscription)]) -> Result<(), NotListening> {
        let subject = format!("{PREFIX}.PING.{}.{}", self.name, self.app.instance());
        for _ in 0..PROBES {
            let question = Outgoing {
                subject: subject.clone(),
                reply: None,
                headers: Headers::new(),
                payload: Bytes::new(),
            };
            let context = Arc::clone(&self.context);
            let asked = context.transport.request(question, PROBE_WITHIN);
            tokio::pin!(asked);
            let answered = loop {
                tokio::select! {
                    answered = &mut asked => break answered,
                    question = self.next(listening) => match question {
                        Some((verb, question)) => self.answer(verb, &question).await,
                        None => return Err(NotListening::Now),
                    },
                }
            };
            match answered {
                Err(TransportError::NoResponders) => sleep(PAUSES.0).await,
                Err(TransportError::NotConnected) => return Err(NotListening::Now),
                // An account that may not ask may answer.
                _ => return Ok(()),
            }
        }
        Err(NotListening::Denied)
    }

    /// The next question. `None` when the service is dying, or a subscription has ended.
    async fn next(&self, listening: &mut [(&'static str, Subscription)]) -> Option<(&'static str, Incoming)> {
        let next = std::future::poll_fn(|context| {
            for (verb, subscription) in &mut *listening {
                if let Poll::Ready(question) = subscription.messages.poll_recv(context) {
                    return Poll::Ready(question.map(|question| (*verb, question)));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            () = self.service.dying() => None,
            next = next => next,
        }
    }

    async fn answer(&mut self, verb: &str, question: &Incoming) {
        let Some(reply) = &question.reply else { return };
        let told = self.own.fill_in(discovery::endpoints(&self.app)).await;
        let identity = self.app.identity();
        let mut answer = json!({
            "name": self.name,
            "id": identity.instance.hex(),
            // The form of a version is that of semantic versioning: decimal.
            "version": format!("0.0.{}", identity.release.as_u64()),
            "metadata": metadata(&self.app, told),
        });
        match verb {
            "INFO" => {
                answer["type"] = INFO_RESPONSE.into();
                answer["description"] = format!("application {}", self.app.package().name()).into();
                answer["endpoints"] = self.responders.infos(&self.app).into();
            }
            "STATS" => {
                answer["type"] = "io.nats.micro.v1.stats_response".into();
                answer["started"] = humantime::format_rfc3339_nanos(self.app.started_on()).to_string().into();
                answer["endpoints"] = self.responders.stats(&self.app).into();
            }
            _ => answer["type"] = "io.nats.micro.v1.ping_response".into(),
        }
        let answer = Outgoing {
            subject: reply.to_string(),
            reply: None,
            headers: Headers::new(),
            payload: bytes_of(&answer),
        };
        let publishes = self.context.transport.publish(answer);
        // Without a connection the question has no answer, and is asked again.
        let _ = tokio::time::timeout(self.context.send_timeout, publishes).await;
    }
}

fn bytes_of(answer: &Value) -> Bytes {
    answer.to_string().into()
}
