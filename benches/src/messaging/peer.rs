//! async-nats alone, as its documentation recommends.

use std::{sync::Arc, time::SystemTime};

use async_nats::{
    Client, HeaderMap,
    jetstream::{self, Context, consumer::pull, stream},
};
use bytes::Bytes;
use futures_util::StreamExt;
use quota_schema::quota_capnp::{exhausted, remaining_answer, remaining_ask};

use super::{
    IN_FLIGHT, WAITING, concurrently,
    content::{self, REMAINING},
    gate::Gate,
};
use crate::rounds::Failure;

// As long as ours.
const NOTICED: &str = "op.d1.e90b57c14a2fd863.b1c50f6e92d37a48._._";
const KEPT: &str = "op.d1.e90b57c14a2fd863.9d27e3a841fb605c._._";
const ASKED: &str = "op.d1.e90b57c14a2fd863.a46f80d237bec915._._";

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The content is packed, and the headers say what ours say.
    Same,
    /// The payload is there already, and there are no headers.
    Plain,
}

/// What a consumer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acks {
    /// That the server confirms each acknowledgement, as ours does.
    Confirmed,
    Unconfirmed,
}

impl Acks {
    const fn stream(self) -> &'static str {
        match self {
            Self::Confirmed => "BENCH_CONFIRMED",
            Self::Unconfirmed => "BENCH_UNCONFIRMED",
        }
    }

    const fn subject(self) -> &'static str {
        match self {
            Self::Confirmed => "op.d1.e90b57c14a2fd863.c83e1d94f0a72b65._._",
            Self::Unconfirmed => "op.d1.e90b57c14a2fd863.c83e1d94f0a72b66._._",
        }
    }
}

#[derive(Clone)]
pub(super) struct Peer {
    client: Client,
    context: Context,
    event: Bytes,
    question: Bytes,
}

impl Peer {
    pub(super) async fn connect(url: &str) -> Result<Self, Failure> {
        let client = async_nats::connect(url).await?;
        let context = jetstream::new(client.clone());
        for (name, subject) in [
            ("BENCH_KEPT", KEPT),
            (Acks::Confirmed.stream(), Acks::Confirmed.subject()),
            (Acks::Unconfirmed.stream(), Acks::Unconfirmed.subject()),
        ] {
            context.create_stream(as_ours(name, subject)).await?;
        }
        let (event, question) = (
            content::packed::<exhausted::Owned>(content::fill)?,
            content::packed::<remaining_ask::Owned>(content::fill_ask)?,
        );
        let answers = client.clone();
        let mut questions = client.queue_subscribe(ASKED, "bench".to_owned()).await?;
        tokio::spawn(async move {
            while let Some(message) = questions.next().await {
                let answers = answers.clone();
                tokio::spawn(async move { answer(&answers, message).await });
            }
        });
        client.flush().await?;
        Ok(Self { client, context, event, question })
    }

    pub(super) async fn publish(&self, form: Form, count: u64) -> Result<(), Failure> {
        for _ in 0..count {
            match form {
                Form::Same => {
                    let payload = content::packed::<exhausted::Owned>(content::fill)?;
                    self.client.publish_with_headers(NOTICED, headers(None), payload).await?;
                }
                Form::Plain => self.client.publish(NOTICED, self.event.clone()).await?,
            }
        }
        self.ask(Form::Plain, 1, 1).await
    }

    pub(super) async fn send(&self, form: Form, count: u64) -> Result<(), Failure> {
        self.stores(form, KEPT, count).await
    }

    /// Stores messages for a consumer.
    pub(super) async fn fill(&self, acks: Acks, count: u64) -> Result<(), Failure> {
        self.stores(Form::Same, acks.subject(), count).await
    }

    async fn stores(&self, form: Form, subject: &'static str, count: u64) -> Result<(), Failure> {
        let peer = self.clone();
        let sends = move || {
            let peer = peer.clone();
            async move {
                let sent = match form {
                    Form::Same => {
                        let payload = content::packed::<exhausted::Owned>(content::fill)?;
                        let id = format!(
                            "9d27e3a841fb605c.{:016x}{:016x}",
                            app_ids::random_u64(),
                            app_ids::random_u64()
                        );
                        peer.context.publish_with_headers(subject, headers(Some(id)), payload).await?
                    }
                    Form::Plain => peer.context.publish(subject, peer.event.clone()).await?,
                };
                sent.await?;
                Ok(())
            }
        };
        concurrently(WAITING, count, sends).await
    }

    /// Starts a consumer behind a gate.
    pub(super) async fn consume(&self, acks: Acks) -> Result<Arc<Gate>, Failure> {
        let config = pull::Config { durable_name: Some("bench".to_owned()), ..pull::Config::default() };
        let consumer = self.context.get_stream(acks.stream()).await?.create_consumer(config).await?;
        let messages = consumer.stream().max_messages_per_batch(IN_FLIGHT as usize).messages().await?;
        let gate = Gate::closed();
        let passes = Arc::clone(&gate);
        let handles = messages.for_each_concurrent(IN_FLIGHT as usize, move |message| {
            let gate = Arc::clone(&passes);
            async move {
                // What fails here is missing later, so the round fails.
                let _ = handle(message, acks, &gate).await;
            }
        });
        tokio::spawn(handles);
        Ok(gate)
    }

    pub(super) async fn ask(&self, form: Form, in_flight: u64, count: u64) -> Result<(), Failure> {
        let peer = self.clone();
        let asks = move || {
            let peer = peer.clone();
            async move {
                let answer = match form {
                    Form::Same => {
                        let payload = content::packed::<remaining_ask::Owned>(content::fill_ask)?;
                        peer.client.request_with_headers(ASKED, headers(None), payload).await?
                    }
                    Form::Plain => peer.client.request(ASKED, peer.question.clone()).await?,
                };
                let remaining = |answer: remaining_answer::Reader<'_>| Ok(answer.get_remaining());
                let remaining = content::unpacked::<remaining_answer::Owned, _>(&answer.payload, remaining)?;
                content::expect("an answer", remaining == REMAINING)
            }
        };
        concurrently(in_flight, count, asks).await
    }
}

async fn handle(
    message: Result<jetstream::Message, pull::MessagesError>,
    acks: Acks,
    gate: &Gate,
) -> Result<(), Failure> {
    let message = message?;
    content::expect("a message", content::unpacked::<exhausted::Owned, _>(&message.payload, content::read)?)?;
    gate.pass().await;
    match acks {
        Acks::Confirmed => message.double_ack().await,
        Acks::Unconfirmed => message.ack().await,
    }
}

/// Answers in the form of the question.
async fn answer(client: &Client, question: async_nats::Message) -> Result<(), Failure> {
    let reply = question.reply.ok_or("a question without a reply subject")?;
    let good = content::unpacked::<remaining_ask::Owned, _>(&question.payload, content::read_ask)?;
    content::expect("a question", good)?;
    let payload = content::packed::<remaining_answer::Owned>(content::fill_answer)?;
    if question.headers.is_some() {
        client.publish_with_headers(reply, headers(None), payload).await?;
    } else {
        client.publish(reply, payload).await?;
    }
    Ok(())
}

/// The headers that ours has.
fn headers(id: Option<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = id {
        headers.insert("Nats-Msg-Id", id);
    }
    headers.insert("Op-Message", "b1c50f6e92d37a48");
    headers.insert("Op-App", "a0");
    headers.insert("Op-Instance", "5f0c7b21d9e34a68");
    headers.insert("Op-Release", "1");
    headers.insert("Op-Sent", humantime::format_rfc3339_nanos(SystemTime::now()).to_string());
    headers
}

/// A stream like ours.
fn as_ours(name: &str, subject: &str) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        max_bytes: 64 << 20,
        ..stream::Config::default()
    }
}
