//! The operations `dead-letters` and `dead-letter`: what consumers gave up, and why.

use std::collections::BTreeMap;

use app_core::prelude::*;
use app_errors::illegal_argument_error;
use capnp::introspect::TypeVariant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OfStream, failed, millis, shown, state_of, stream_of};
use crate::ids::MESSAGING_SERVICE_ID;
use crate::messaging::Messaging;
use crate::transport::Record;
use crate::wire::{DeadLetterHeaders, Subject, payload_json};

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "dead-letters",
    role: Operate,
    effect: Reads,
    about: "Lists messages that consumers gave up, oldest first.",
    run: dead_letters,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "dead-letter",
    role: Operate,
    effect: Reads,
    about: "Shows a message that a consumer gave up, with what is in it.",
    run: dead_letter,
}

/// How many letters a page has.
const LIMIT: u32 = 50;

/// The most letters of a page.
const MOST_ITEMS: u32 = 200;

/// The most letters that a page looks at, if it shows those of one consumer.
const MOST_LOOKS: usize = 1_000;

/// The most bytes of a message that is shown.
const MOST_JSON: usize = 512 * 1024;

/// Which letters to list.
#[derive(Debug, Deserialize, JsonSchema)]
struct LettersWanted {
    /// Name or id of the stream that the messages are from. Not needed if the application has one stream.
    #[serde(default)]
    stream: Option<String>,
    /// The number of the last letter that you know; 0, the default, is before the first one.
    #[serde(default)]
    after: u64,
    /// The most letters of a page, from 1 to 200; 50 by default.
    #[serde(default)]
    limit: Option<u32>,
    /// Only letters of this consumer, as id of the service and name (`ce1f32c680e1ef0b_refill`).
    #[serde(default)]
    consumer: Option<String>,
}

/// A page of dead letters, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
struct LettersPage {
    /// The name of the stream that the messages are from.
    stream: String,
    items: Vec<LetterItem>,
    /// The number to ask with for the next page (`after`); `null` after the last one.
    next: Option<u64>,
    /// How many letters there are in all.
    total: u64,
}

/// A message that a consumer gave up.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LetterItem {
    /// The number of the letter.
    number: u64,
    /// When the consumer gave it up, in milliseconds since 1970 (UTC).
    at_millis: u64,
    /// Why. It may contain what is in the message.
    reason: String,
    /// The id of the error, in hex.
    error: Option<String>,
    consumer: String,
    /// How many times a handler ran.
    attempts: u64,
    /// The sequence of the message in its stream.
    sequence: u64,
    /// The type of the message: its name, or its id in hex if this application does not know it.
    message: String,
    /// The id of the message.
    id: Option<String>,
    /// How many times it was replayed before.
    round: u64,
    /// The size of the payload, in bytes.
    bytes: usize,
    /// The size of a payload that was left out, since it did not fit beside its headers; `null` if it is there.
    left_out_bytes: Option<usize>,
}

impl LetterItem {
    fn of(messaging: &Messaging, record: &Record) -> Self {
        let letter = headers_of(record);
        let message = Subject::parse(&letter.subject).map(|subject| subject.message).unwrap_or_default();
        let known = messaging.context().catalog.message(message);
        Self {
            number: record.sequence,
            at_millis: millis(record.stored_at),
            reason: shown(&letter.reason),
            error: letter.error.map(|error| error.hex()),
            consumer: shown(&letter.consumer),
            attempts: letter.attempts,
            sequence: letter.sequence,
            message: known.map_or_else(|| message.hex(), |info| info.name().to_owned()),
            id: letter.id.as_deref().map(shown),
            round: letter.round,
            bytes: record.message.payload.len(),
            left_out_bytes: letter.left_out_bytes,
        }
    }
}

/// The description of a letter. One that others put there without it has nothing to say.
pub(super) fn headers_of(record: &Record) -> DeadLetterHeaders {
    DeadLetterHeaders::read(&record.message.headers).unwrap_or(DeadLetterHeaders {
        reason: "its headers are not those of a dead letter".to_owned(),
        error: None,
        consumer: String::new(),
        attempts: 0,
        sequence: 0,
        subject: String::new(),
        id: None,
        round: 0,
        left_out_bytes: None,
    })
}

async fn dead_letters(messaging: Dep<Messaging>, args: Args<LettersWanted>) -> Result<LettersPage, Error> {
    let LettersWanted { stream, after, limit, consumer } = args.into_inner();
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=MOST_ITEMS).contains(&limit) {
        let told = format!("arguments.limit: is {limit}; give 1 to {MOST_ITEMS}");
        return Err(illegal_argument_error(told));
    }
    let of = stream_of(&messaging, stream.as_deref())?;
    let total = state_of(&messaging, &of.dead).await?.messages;
    let (mut items, mut last, mut next) = (Vec::new(), after, None);
    for _ in 0..MOST_LOOKS {
        let Some(record) = read(&messaging, &of, last.saturating_add(1)).await? else { break };
        if items.len() >= limit as usize {
            next = Some(last);
            break;
        }
        last = record.sequence;
        if consumer.as_deref().is_none_or(|consumer| headers_of(&record).consumer == consumer) {
            items.push(LetterItem::of(&messaging, &record));
        }
    }
    // It looked at as many as it may, and there may be more.
    if next.is_none() && last > after && read(&messaging, &of, last.saturating_add(1)).await?.is_some() {
        next = Some(last);
    }
    Ok(LettersPage { stream: of.spec.name().to_owned(), items, next, total })
}

/// The first letter with this number or a later one.
pub(super) async fn read(messaging: &Messaging, of: &OfStream, from: u64) -> Result<Option<Record>, Error> {
    let record = messaging.transport().stream_next(&of.dead, from, None).await;
    record.map_err(|error| failed(&format!("dead letters of stream {}", of.spec.name()), &error))
}

/// Which letter.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct LetterWanted {
    /// Name or id of the stream that the message is from. Not needed if the application has one stream.
    #[serde(default)]
    pub(super) stream: Option<String>,
    /// The number of the letter.
    pub(super) number: u64,
}

/// A dead letter, with what is in it.
#[derive(Debug, Serialize, JsonSchema)]
struct LetterShown {
    letter: LetterItem,
    /// All headers. Of several with one name, the first.
    headers: BTreeMap<String, String>,
    /// The message by its type. `null` if it can't be shown.
    content: Option<Value>,
    /// Why the message can't be shown.
    hidden: Option<String>,
}

async fn dead_letter(messaging: Dep<Messaging>, args: Args<LetterWanted>) -> Result<LetterShown, Error> {
    let LetterWanted { stream, number } = args.into_inner();
    let of = stream_of(&messaging, stream.as_deref())?;
    let Some(record) = one(&messaging, &of, number).await? else {
        let told = format!(
            "arguments.number: there is no letter {number} of stream {} any more; it was replayed or dropped, or its time was over",
            of.spec.name()
        );
        return Err(illegal_argument_error(told));
    };
    let mut headers = BTreeMap::new();
    for (name, value) in record.message.headers.iter() {
        headers.entry(shown(name)).or_insert_with(|| shown(value));
    }
    let (content, hidden) = match content(&messaging, &record) {
        Ok(content) => (Some(content), None),
        Err(why) => (None, Some(shown(&why))),
    };
    Ok(LetterShown { letter: LetterItem::of(&messaging, &record), headers, content, hidden })
}

/// The letter with exactly this number. `None` if it is gone.
///
/// # Errors
/// It can't be asked, or there never was such a letter.
pub(super) async fn one(messaging: &Messaging, of: &OfStream, number: u64) -> Result<Option<Record>, Error> {
    let last = state_of(messaging, &of.dead).await?.last_sequence;
    if number == 0 || number > last {
        let told = format!(
            "arguments.number: there never was a letter {number} of stream {}; the last one is {last}",
            of.spec.name()
        );
        return Err(illegal_argument_error(told));
    }
    Ok(read(messaging, of, number).await?.filter(|record| record.sequence == number))
}

/// The message as JSON.
fn content(messaging: &Messaging, record: &Record) -> Result<Value, String> {
    let letter = headers_of(record);
    if let Some(bytes) = letter.left_out_bytes {
        return Err(format!(
            "its {bytes} bytes did not fit beside the headers; the message has sequence {} in its stream",
            letter.sequence
        ));
    }
    let subject = Subject::parse(&letter.subject).ok_or("its subject is not that of a message")?;
    let context = messaging.context();
    let info = context.catalog.message(subject.message).ok_or_else(|| {
        format!("this application does not know message type {}; ask one that does", subject.message)
    })?;
    let schema = match info.introspected().map(|of| of.which()) {
        Some(TypeVariant::Struct(schema)) => schema.into(),
        _ => return Err(format!("message {} has no struct that can be shown", info.describe())),
    };
    let json = payload_json(&record.message.payload, schema, context.limits)?;
    if json.len() > MOST_JSON {
        return Err(format!("it has {} bytes as JSON; at most {MOST_JSON} are shown", json.len()));
    }
    serde_json::from_str(&json).map_err(|error| error.to_string())
}
