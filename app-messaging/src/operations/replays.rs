//! The operations that hand messages to a consumer again, or drop dead letters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_core::operations::Job;
use app_core::prelude::*;
use app_errors::illegal_argument_error;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::consumers::consumer_of;
use super::letters::{LetterWanted, headers_of, one, read};
use super::{OfStream, failed, shown, state_of, stream_of};
use crate::ids::{DEAD_LETTERS_DROPPED, MESSAGES_REPLAYED, MESSAGING_SERVICE_ID};
use crate::messaging::Messaging;
use crate::transport::{Outgoing, Record, TransportError};
use crate::wire::{
    DeadLetterHeaders, Envelope, Headers, Subject, dead_letter_id, header, replay_headers, replay_stream,
    replay_subject,
};

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "replay-dead-letter",
    role: Operate,
    effect: Changes,
    about: "Hands a message that a consumer gave up to it again. Its letter goes.",
    run: replay_dead_letter,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "replay-dead-letters",
    role: Operate,
    effect: Changes,
    about: "Hands messages that consumers gave up to them again, oldest first. Their letters go.",
    run: replay_dead_letters,
    job: true,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "drop-dead-letter",
    role: Operate,
    effect: Destroys,
    about: "Drops a message that a consumer gave up.",
    run: drop_dead_letter,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "drop-dead-letters",
    role: Operate,
    effect: Destroys,
    about: "Drops messages that consumers gave up, oldest first.",
    run: drop_dead_letters,
    job: true,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "replay-stream",
    role: Operate,
    effect: Changes,
    about: "Hands the messages of a stream to a consumer again, from a sequence or a time on, beside those that come now.",
    run: replay_stream_again,
    job: true,
}

/// How long storing a replay may take.
const WITHIN: Duration = Duration::from_secs(5);

/// The pause of a job while the stream of replays is full.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a job that is refused tries again. Then what it has left fails.
const REFUSED: Duration = Duration::from_secs(30);

/// How many letters or messages pass between two reports of a job.
const REPORT_EACH: u64 = 50;

/// How many problems a job tells.
const MOST_PROBLEMS: usize = 20;

/// What became of one letter.
#[derive(Debug, Serialize, JsonSchema)]
struct Replayed {
    /// The number of the letter.
    number: u64,
    /// Whether this call replayed it. If not, it was gone before.
    replayed: bool,
}

/// What became of one letter.
#[derive(Debug, Serialize, JsonSchema)]
struct Dropped {
    /// The number of the letter.
    number: u64,
    /// Whether this call dropped it. If not, it was gone before.
    dropped: bool,
}

/// Which letters.
#[derive(Debug, Deserialize, JsonSchema)]
struct LettersOf {
    /// Name or id of the stream that the messages are from. Not needed if the application has one stream.
    #[serde(default)]
    stream: Option<String>,
    /// Only letters of this consumer, as id of the service and name.
    #[serde(default)]
    consumer: Option<String>,
    /// The number of the first letter; the oldest one if it is left out.
    #[serde(default)]
    first: Option<u64>,
    /// The number of the last letter; the newest one of now if it is left out.
    #[serde(default)]
    last: Option<u64>,
}

/// What a job did.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct JobDone {
    /// Letters or messages that it replayed or dropped.
    done: u64,
    /// Those that it could not replay.
    failed: u64,
    /// Why, of the first ones.
    problems: Vec<String>,
}

impl JobDone {
    fn failed(&mut self, what: &str, error: &Error) {
        self.failed += 1;
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(format!("{what}: {}", shown(&error.to_string())));
        }
    }
}

async fn replay_dead_letter(
    service: Service,
    messaging: Dep<Messaging>,
    args: Args<LetterWanted>,
) -> Result<Replayed, Error> {
    let LetterWanted { stream, number } = args.into_inner();
    let of = stream_of(&messaging, stream.as_deref())?;
    let record = one(&messaging, &of, number).await?;
    let replayed = record.is_some();
    if let Some(record) = record {
        replay(&messaging, &of, record).await?;
        info!(service.log(), "a dead letter is replayed"; "event" => MESSAGES_REPLAYED.hex(), "stream" => of.name, "number" => number);
    }
    Ok(Replayed { number, replayed })
}

async fn drop_dead_letter(
    service: Service,
    messaging: Dep<Messaging>,
    args: Args<LetterWanted>,
) -> Result<Dropped, Error> {
    let LetterWanted { stream, number } = args.into_inner();
    let of = stream_of(&messaging, stream.as_deref())?;
    let there = one(&messaging, &of, number).await?.is_some();
    let dropped = there && remove(&messaging, &of, number).await?;
    if dropped {
        info!(service.log(), "a dead letter is dropped"; "event" => DEAD_LETTERS_DROPPED.hex(), "stream" => of.name, "number" => number);
    }
    Ok(Dropped { number, dropped })
}

async fn remove(messaging: &Messaging, of: &OfStream, number: u64) -> Result<bool, Error> {
    let removed = messaging.transport().stream_delete(&of.dead, number).await;
    removed.map_err(|error| failed(&format!("letter {number} of stream {}", of.spec.name()), &error))
}

/// Stores the message of a letter for its consumer again, then removes the letter. Repeated, it is stored once: letters have ids.
async fn replay(messaging: &Messaging, of: &OfStream, record: Record) -> Result<(), Error> {
    let letter = headers_of(&record);
    let number = record.sequence;
    let subject = subject_of(messaging, &letter.consumer).await?;
    let payload = payload_of(messaging, of, &letter, record.message.payload.clone()).await?;
    let id = record.message.headers.get(header::MSG_ID).map(str::to_owned);
    let id = id.unwrap_or_else(|| dead_letter_id(&of.name, &letter.consumer, letter.sequence, letter.round));
    let headers = replay_headers(&record.message.headers, &id);
    let mut outgoing = Outgoing { subject, reply: None, headers, payload };
    if outgoing.headers.wire_bytes() + outgoing.payload.len() > messaging.transport().max_bytes() {
        // It does not fit here either. The consumer reads it from its stream.
        outgoing.headers.set(header::DEAD_LEFT_OUT, &outgoing.payload.len().to_string());
        outgoing.payload = Bytes::new();
    }
    let stored = store(messaging, outgoing).await;
    stored.map_err(|error| failed(&format!("letter {number}: can't be replayed"), &error))?;
    remove(messaging, of, number).await.map(drop)
}

async fn store(messaging: &Messaging, outgoing: Outgoing) -> Result<(), TransportError> {
    let stored = tokio::time::timeout(WITHIN * 2, messaging.transport().store(outgoing, WITHIN)).await;
    stored.unwrap_or(Err(TransportError::NoAnswer)).map(drop)
}

/// The subject of replays for a consumer.
///
/// # Errors
/// There is no such consumer that would get them.
async fn subject_of(messaging: &Messaging, consumer: &str) -> Result<String, Error> {
    let domain = messaging.context().identity.domain;
    let parts = consumer.split_once('_').and_then(|(service, name)| {
        let service = u64::from_str_radix(service, 16).ok()?;
        Some((ServiceId::new(service), name))
    });
    let Some((service, name)) = parts else {
        let told =
            format!("consumer {:?}: is no id of a service and a name; drop the letter", shown(consumer));
        return Err(illegal_argument_error(told));
    };
    let replays = replay_stream(domain);
    match messaging.transport().consumer_info(&replays, consumer).await {
        Ok(_) => Ok(replay_subject(domain, service, name)),
        Err(TransportError::NotFound(_)) => {
            let told = format!(
                "consumer {consumer}: has never run with replays in this domain, so nothing would get the message; start it first"
            );
            Err(illegal_argument_error(told))
        }
        Err(error) => Err(failed(&format!("consumer {consumer}"), &error)),
    }
}

/// The payload of a letter. One that was left out is read from its stream.
async fn payload_of(
    messaging: &Messaging,
    of: &OfStream,
    letter: &DeadLetterHeaders,
    payload: Bytes,
) -> Result<Bytes, Error> {
    if letter.left_out_bytes.is_none() {
        return Ok(payload);
    }
    let sequence = letter.sequence;
    let found = messaging.transport().stream_next(&of.name, sequence, None).await;
    let found = found.map_err(|error| failed(&format!("stream {}", of.name), &error))?;
    found.filter(|record| record.sequence == sequence).map(|record| record.message.payload).ok_or_else(|| {
        let told = format!(
            "letter: its payload was left out, and stream {} does not keep sequence {sequence} any more; drop the letter",
            of.spec.name()
        );
        illegal_argument_error(told)
    })
}

/// What becomes of letters.
#[derive(Debug, Clone, Copy)]
enum Act {
    Replay,
    Drop,
}

/// Goes through letters, oldest first, and does something with each.
async fn each_letter(
    messaging: &Messaging,
    wanted: LettersOf,
    job: &Job,
    act: Act,
) -> Result<JobDone, Error> {
    let LettersOf { stream, consumer, first, last } = wanted;
    let of = stream_of(messaging, stream.as_deref())?;
    let state = state_of(messaging, &of.dead).await?;
    let last = last.unwrap_or(state.last_sequence).min(state.last_sequence);
    let begin = first.unwrap_or(1).max(state.first_sequence);
    let (mut done, mut from) = (JobDone::default(), begin);
    while let Some(record) = read(messaging, &of, from).await?.filter(|record| record.sequence <= last) {
        let number = record.sequence;
        from = number + 1;
        if consumer.as_deref().is_some_and(|consumer| headers_of(&record).consumer != consumer) {
            continue;
        }
        let acted = match act {
            Act::Replay => replay(messaging, &of, record).await.map(|()| true),
            Act::Drop => remove(messaging, &of, number).await,
        };
        match acted {
            Ok(acted) => done.done += u64::from(acted),
            Err(error) => done.failed(&format!("letter {number}"), &error),
        }
        if (done.done + done.failed).is_multiple_of(REPORT_EACH) {
            job.progress(number - begin, Some(last.saturating_sub(begin) + 1), format!("letter {number}"));
        }
    }
    Ok(done)
}

async fn replay_dead_letters(
    service: Service,
    messaging: Dep<Messaging>,
    args: Args<LettersOf>,
    job: Job,
) -> Result<JobDone, Error> {
    let done = each_letter(&messaging, args.into_inner(), &job, Act::Replay).await?;
    info!(service.log(), "dead letters are replayed"; "event" => MESSAGES_REPLAYED.hex(), "done" => done.done, "failed" => done.failed);
    Ok(done)
}

async fn drop_dead_letters(
    service: Service,
    messaging: Dep<Messaging>,
    args: Args<LettersOf>,
    job: Job,
) -> Result<JobDone, Error> {
    let done = each_letter(&messaging, args.into_inner(), &job, Act::Drop).await?;
    info!(service.log(), "dead letters are dropped"; "event" => DEAD_LETTERS_DROPPED.hex(), "done" => done.done, "failed" => done.failed);
    Ok(done)
}

/// Which messages of a stream, and for which consumer.
#[derive(Debug, Deserialize, JsonSchema)]
struct StreamAgain {
    /// Name or id of the stream. Not needed if the application has one stream.
    #[serde(default)]
    stream: Option<String>,
    /// The consumer, as id of the service and name, or by its name alone. It runs in this application.
    consumer: String,
    /// The sequence of the first message. Give this or `from_time`.
    #[serde(default)]
    from_sequence: Option<u64>,
    /// When the first message was stored, in RFC 3339 (`2026-01-31T12:00:00Z`). Give this or `from_sequence`.
    #[serde(default)]
    from_time: Option<String>,
    /// The sequence of the last message; the newest one of now if it is left out.
    #[serde(default)]
    to_sequence: Option<u64>,
}

/// From where a stream is replayed.
fn begin_of(wanted: &StreamAgain) -> Result<(u64, SystemTime), Error> {
    match (wanted.from_sequence, wanted.from_time.as_deref()) {
        (Some(sequence), None) => Ok((sequence, UNIX_EPOCH)),
        (None, Some(time)) => {
            let time = humantime::parse_rfc3339_weak(time.trim()).map_err(|_| {
                let told =
                    format!("arguments.from_time: {time:?} is no time; write it as 2026-01-31T12:00:00Z");
                illegal_argument_error(told)
            })?;
            Ok((0, time))
        }
        _ => {
            Err(illegal_argument_error("arguments: give from_sequence or from_time, one of them".to_owned()))
        }
    }
}

async fn replay_stream_again(
    service: Service,
    messaging: Dep<Messaging>,
    args: Args<StreamAgain>,
    job: Job,
) -> Result<JobDone, Error> {
    let wanted = args.into_inner();
    let of = stream_of(&messaging, wanted.stream.as_deref())?;
    let (begin, time) = begin_of(&wanted)?;
    let consumer = consumer_of(&messaging, &wanted.consumer).await?;
    let running = messaging.consumers().running();
    let member = running.into_iter().find(|member| member.durable == consumer);
    let Some(member) = member.filter(|member| member.stream_id == of.spec.id()) else {
        let told = format!(
            "arguments.consumer: {consumer} does not run in this application with stream {}; ask one in which it runs",
            of.spec.name()
        );
        return Err(illegal_argument_error(told));
    };
    let subject = subject_of(&messaging, &consumer).await?;
    let last = state_of(&messaging, &of.name).await?.last_sequence;
    let last = wanted.to_sequence.unwrap_or(last).min(last);
    // Each replay has rounds of its own, so that a letter of it is none of an earlier one.
    let round = messaging.transport().wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (mut done, mut from, mut refused) = (JobDone::default(), begin, None);
    loop {
        let next = messaging.transport().stream_next(&of.name, from, None).await;
        let next = next.map_err(|error| failed(&format!("stream {}", of.name), &error))?;
        let Some(record) = next.filter(|record| record.sequence <= last) else { break };
        let sequence = record.sequence;
        from = sequence + 1;
        let message = Subject::parse(&record.message.subject).map(|subject| subject.message);
        let takes = member.infos.iter().any(|info| Some(info.id()) == message);
        if !takes || record.stored_at < time {
            continue;
        }
        match again(&messaging, &of, &consumer, &subject, &record, round, &mut refused).await {
            Ok(()) => done.done += 1,
            Err(error) => done.failed(&format!("message {sequence}"), &error),
        }
        if (done.done + done.failed).is_multiple_of(REPORT_EACH) {
            job.progress(sequence, Some(last), format!("message {sequence}"));
        }
    }
    info!(service.log(), "messages of a stream are replayed"; "event" => MESSAGES_REPLAYED.hex(), "stream" => of.name,
        "consumer" => consumer, "done" => done.done, "failed" => done.failed);
    Ok(done)
}

/// Stores one message of a stream for a consumer again. While the stream of replays is full, it waits.
async fn again(
    messaging: &Messaging,
    of: &OfStream,
    consumer: &str,
    subject: &str,
    record: &Record,
    round: u64,
    refused: &mut Option<Instant>,
) -> Result<(), Error> {
    let mut headers = record.message.headers.as_ref().clone();
    let message = Subject::parse(&record.message.subject).map(|subject| subject.message).unwrap_or_default();
    let id = Envelope::read(&headers, message).id;
    headers = replay_headers(&headers, &dead_letter_id(&of.name, consumer, record.sequence, round));
    let mut all = Headers::new();
    all.append(header::DEAD_SUBJECT, &record.message.subject);
    all.append(header::DEAD_SEQUENCE, &record.sequence.to_string());
    all.append(header::DEAD_ROUND, &round.to_string());
    if let Some(id) = id {
        all.append(header::DEAD_ID, &id);
    }
    for (name, value) in headers.iter() {
        all.append(name, value);
    }
    let (subject, payload) = (subject.to_owned(), record.message.payload.clone());
    let outgoing = Outgoing { subject, reply: None, headers: all, payload };
    store_when_there_is_room(messaging, outgoing, refused)
        .await
        .map_err(|error| failed(&format!("message {}", record.sequence), &error))
}

/// Stores a replay. While the stream of replays is full, it waits: what the stream holds is handled meanwhile. The job can be
/// cancelled. `refused` is since when the job is refused for other reasons.
async fn store_when_there_is_room(
    messaging: &Messaging,
    outgoing: Outgoing,
    refused: &mut Option<Instant>,
) -> Result<(), TransportError> {
    loop {
        let Err(error) = store(messaging, outgoing.clone()).await else {
            *refused = None;
            return Ok(());
        };
        let may_pass = match &error {
            TransportError::NoAnswer | TransportError::NotConnected => true,
            // Servers name the limit. Other refusals may stay, such as a permission that is missing.
            TransportError::Refused(reason) if reason.contains("exceeded") => true,
            TransportError::Refused(_) => refused.get_or_insert_with(Instant::now).elapsed() < REFUSED,
            _ => false,
        };
        if !may_pass {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
