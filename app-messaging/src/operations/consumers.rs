//! The operations `consumers`, `pause-consumer` and `resume-consumer`.

use std::collections::{BTreeMap, BTreeSet};

use app_core::operations::Caller;
use app_core::prelude::*;
use app_errors::illegal_argument_error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MOST_NAMES, failed, stream_of};
use crate::consumer::{Member, decide_pause};
use crate::ids::MESSAGING_SERVICE_ID;
use crate::messaging::Messaging;
use crate::place::{NO_SERVER, Place};
use crate::transport::{ConsumerInfo, ConsumerState, TransportError};
use crate::types::StreamSpec;
use crate::wire::{dead_stream, replay_stream, retry_stream, stream_name};

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "consumers",
    role: Read,
    effect: Reads,
    about: "Lists the durable consumers of the streams, with what waits for them, and the streams.",
    run: consumers,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "pause-consumer",
    role: Operate,
    effect: Changes,
    about: "Pauses a consumer in every instance. Handlers that run go on to their end.",
    run: pause_consumer,
}

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "resume-consumer",
    role: Operate,
    effect: Changes,
    about: "Lets a consumer go on that an operator paused.",
    run: resume_consumer,
}

/// The most consumers of an answer.
const MOST_ITEMS: usize = 1_000;

/// Which consumers to list.
#[derive(Debug, Deserialize, JsonSchema)]
struct ConsumersWanted {
    /// Only those of this stream, by name or id.
    #[serde(default)]
    stream: Option<String>,
}

/// Durable consumers and streams.
#[derive(Debug, Serialize, JsonSchema)]
struct ConsumersShown {
    consumers: Vec<ConsumerShown>,
    streams: Vec<StreamShown>,
    /// How many consumers are not shown, because there are too many.
    left_out: usize,
}

/// A durable consumer.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct ConsumerShown {
    /// The id of its service, and its name.
    consumer: String,
    /// The name of its stream.
    stream: String,
    /// The types of messages that it takes.
    messages: Vec<String>,
    /// Whether it runs in this instance. If not, another application has it, or no code knows it any more.
    runs_here: bool,
    /// In how many partitions it reads its stream: 1, or 16.
    partitions: usize,
    /// Messages that were not delivered to it yet.
    pending: u64,
    /// Messages that were delivered and are not settled.
    ack_pending: u64,
    /// Messages that wait for their retry in the stream of retries.
    retries: u64,
    /// Messages that wait in the stream of replays.
    replays: u64,
    /// The sequence of the last message that was delivered.
    delivered_sequence: u64,
    /// Why it is paused; `null` if it is not.
    paused: Option<String>,
}

/// A stream that the application declares.
#[derive(Debug, Serialize, JsonSchema)]
struct StreamShown {
    stream: String,
    /// The id of the stream in hex.
    id: String,
    messages: u64,
    bytes: u64,
    first_sequence: u64,
    last_sequence: u64,
    dead_letters: u64,
    /// Why it can't be asked; `null` if it could.
    problem: Option<String>,
}

/// By name: how far consumers of a stream are.
type States = BTreeMap<String, ConsumerState>;

async fn states(messaging: &Messaging, stream: &str) -> Result<States, TransportError> {
    let all = messaging.transport().consumers(stream).await?;
    Ok(all.into_iter().map(|ConsumerInfo { config, state, .. }| (config.name, state)).collect())
}

fn waiting(states: &States, durable: &str) -> u64 {
    states.get(durable).map_or(0, |state| state.pending + state.ack_pending)
}

async fn consumers(messaging: Dep<Messaging>, args: Args<ConsumersWanted>) -> Result<ConsumersShown, Error> {
    let context = messaging.context();
    let domain = context.identity.domain;
    let specs: Vec<StreamSpec> = match args.into_inner().stream {
        Some(stream) => vec![stream_of(&messaging, Some(&stream))?.spec],
        None if context.place == Place::NoServer => {
            return Err(errors::SERVICE_NOT_AVAILABLE.error(MESSAGING_SERVICE_ID).message(NO_SERVER).build());
        }
        None => context.catalog.streams().copied().collect(),
    };
    // Without them the rest can be shown.
    let retries = states(&messaging, &retry_stream(domain)).await.unwrap_or_default();
    let replays = states(&messaging, &replay_stream(domain)).await.unwrap_or_default();
    let paused = messaging.consumers().paused_by_operators();
    let running = messaging.consumers().running();
    let (mut all, mut streams) = (Vec::new(), Vec::new());
    for spec in specs {
        let name = stream_name(domain, spec.id());
        let asked = states(&messaging, &name).await;
        streams.push(stream_shown(&messaging, &spec, &name, asked.as_ref().err()).await);
        let Ok(mut found) = asked else { continue };
        for member in running.iter().filter(|member| member.stream_id == spec.id()) {
            all.push(member_shown(member, &spec, &mut found));
        }
        for (consumer, state) in found {
            let paused = paused.get(&consumer).cloned();
            let (stream, partitions) = (spec.name().to_owned(), 1);
            let shown = ConsumerShown { consumer, stream, partitions, paused, ..ConsumerShown::default() };
            all.push(with(shown, state));
        }
    }
    for shown in &mut all {
        (shown.retries, shown.replays) =
            (waiting(&retries, &shown.consumer), waiting(&replays, &shown.consumer));
    }
    let left_out = all.len().saturating_sub(MOST_ITEMS);
    all.truncate(MOST_ITEMS);
    Ok(ConsumersShown { consumers: all, streams, left_out })
}

fn with(mut shown: ConsumerShown, state: ConsumerState) -> ConsumerShown {
    shown.pending += state.pending;
    shown.ack_pending += state.ack_pending;
    shown.delivered_sequence = shown.delivered_sequence.max(state.delivered_sequence);
    shown
}

/// A consumer that runs here. Takes what is known of its partitions out of what was found.
fn member_shown(member: &Member, spec: &StreamSpec, found: &mut States) -> ConsumerShown {
    let own: Vec<_> = member.feeds.iter().filter(|feed| !feed.is_aside).collect();
    let shown = ConsumerShown {
        consumer: member.durable.clone(),
        stream: spec.name().to_owned(),
        messages: member.infos.iter().map(|info| info.name().to_owned()).collect(),
        runs_here: true,
        partitions: own.len(),
        paused: member.pause(),
        ..ConsumerShown::default()
    };
    own.iter().filter_map(|feed| found.remove(&feed.name)).fold(shown, with)
}

async fn stream_shown(
    messaging: &Messaging,
    spec: &StreamSpec,
    name: &str,
    problem: Option<&TransportError>,
) -> StreamShown {
    let transport = messaging.transport();
    let state = transport.stream_state(name).await.unwrap_or_default();
    let dead = transport.stream_state(&dead_stream(messaging.context().identity.domain, spec.id())).await;
    StreamShown {
        stream: spec.name().to_owned(),
        id: spec.id().hex(),
        messages: state.messages,
        bytes: state.bytes,
        first_sequence: state.first_sequence,
        last_sequence: state.last_sequence,
        dead_letters: dead.unwrap_or_default().messages,
        problem: problem.map(ToString::to_string),
    }
}

/// Which consumer.
#[derive(Debug, Deserialize, JsonSchema)]
struct ConsumerWanted {
    /// The id of its service, and its name (`ce1f32c680e1ef0b_refill`); or its name alone, if one of this name runs here.
    consumer: String,
}

/// What was decided about a consumer.
#[derive(Debug, Serialize, JsonSchema)]
struct Decided {
    /// The id of its service, and its name.
    consumer: String,
    /// Whether an operator pauses it from now on.
    paused: bool,
}

/// The consumer with this name. It runs here, or a stream of this application has it.
pub(super) async fn consumer_of(messaging: &Messaging, asked: &str) -> Result<String, Error> {
    let running = messaging.consumers().running();
    let mut known: BTreeSet<String> = running.iter().map(|member| member.durable.clone()).collect();
    if known.contains(asked) {
        return Ok(asked.to_owned());
    }
    let named: Vec<_> = known
        .iter()
        .filter(|durable| durable.split_once('_').is_some_and(|(_, name)| name == asked))
        .collect();
    match named[..] {
        [one] => return Ok(one.clone()),
        [] => {}
        _ => {
            let told = format!(
                "arguments.consumer: {asked:?} is the name of {} consumers; give the id of the service too",
                named.len()
            );
            return Err(illegal_argument_error(told));
        }
    }
    let domain = messaging.context().identity.domain;
    for spec in messaging.context().catalog.streams() {
        let name = stream_name(domain, spec.id());
        let found =
            states(messaging, &name).await.map_err(|error| failed(&format!("stream {name}"), &error))?;
        if found.contains_key(asked) {
            return Ok(asked.to_owned());
        }
        known.extend(found.into_keys());
    }
    let names: Vec<_> = known.into_iter().take(MOST_NAMES).collect();
    let told = format!("arguments.consumer: {asked:?} is no consumer; give one of {}", names.join(", "));
    Err(illegal_argument_error(told))
}

async fn pause_consumer(
    messaging: Dep<Messaging>,
    args: Args<ConsumerWanted>,
    caller: Caller,
) -> Result<Decided, Error> {
    let by = caller.names.first().map_or("an operator", String::as_str);
    decided(&messaging, &args.consumer, Some((by, &caller.reason))).await
}

async fn resume_consumer(messaging: Dep<Messaging>, args: Args<ConsumerWanted>) -> Result<Decided, Error> {
    decided(&messaging, &args.consumer, None).await
}

async fn decided(messaging: &Messaging, asked: &str, pause: Option<(&str, &str)>) -> Result<Decided, Error> {
    let consumer = match consumer_of(messaging, asked).await {
        // A consumer that is gone must not stay paused for ever.
        Err(_) if pause.is_none() && messaging.consumers().paused_by_operators().contains_key(asked) => {
            asked.to_owned()
        }
        found => found?,
    };
    let domain = messaging.context().identity.domain;
    let decided = decide_pause(&**messaging.transport(), domain, &consumer, pause).await;
    decided.map_err(|error| failed(&format!("consumer {consumer}"), &error))?;
    Ok(Decided { consumer, paused: pause.is_some() })
}
