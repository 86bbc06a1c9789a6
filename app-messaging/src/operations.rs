//! What an operator may ask of the messaging service: `appctl do messaging dead-letters --stream orders`.
//!
//! Bounds: a page has at most 200 letters, and looks at 1,000; a list has at most 1,000 consumers. What works through many letters or
//! messages is a job.

mod consumers;
mod letters;
mod replays;

use std::time::{SystemTime, UNIX_EPOCH};

use app_core::prelude::*;
use app_errors::illegal_argument_error;

use crate::ids::MESSAGING_SERVICE_ID;
use crate::messaging::Messaging;
use crate::place::{NO_SERVER, Place};
use crate::transport::{StreamState, TransportError};
use crate::types::StreamSpec;
use crate::wire::{dead_stream, stream_name};

/// How many names an error lists.
const MOST_NAMES: usize = 20;

/// The longest text of a foreign header in an answer, in characters.
const MOST_TEXT: usize = 512;

/// A stream that the application declares, for an operation.
struct OfStream {
    spec: StreamSpec,
    name: String,
    dead: String,
}

/// The stream with this name or id. Without one, the only stream.
fn stream_of(messaging: &Messaging, asked: Option<&str>) -> Result<OfStream, Error> {
    let context = messaging.context();
    if context.place == Place::NoServer {
        return Err(errors::SERVICE_NOT_AVAILABLE.error(MESSAGING_SERVICE_ID).message(NO_SERVER).build());
    }
    let all: Vec<_> = context.catalog.streams().collect();
    let names = || {
        let names: Vec<_> = all.iter().take(MOST_NAMES).map(|stream| stream.name()).collect();
        names.join(", ")
    };
    let found = match asked.map(str::trim) {
        None if all.len() == 1 => all.first(),
        None => {
            let told = format!("arguments.stream: is missing; give one of {}", names());
            return Err(illegal_argument_error(told));
        }
        Some(asked) => {
            let id = u64::from_str_radix(asked.trim_start_matches("0x"), 16).ok();
            let domain = context.identity.domain;
            let is = |stream: &&&StreamSpec| {
                let by_id = Some(stream.id().as_u64()) == id || stream_name(domain, stream.id()) == asked;
                stream.name() == asked || by_id
            };
            all.iter().find(is)
        }
    };
    let Some(spec) = found else {
        let told = format!(
            "arguments.stream: {:?} is no stream of this application; give one of {}",
            asked.unwrap_or_default(),
            names()
        );
        return Err(illegal_argument_error(told));
    };
    let domain = context.identity.domain;
    let (name, dead) = (stream_name(domain, spec.id()), dead_stream(domain, spec.id()));
    Ok(OfStream { spec: **spec, name, dead })
}

/// What a transport says, as the error of an operation.
fn failed(what: &str, error: &TransportError) -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(MESSAGING_SERVICE_ID).message(format!("{what}: {error}")).build()
}

/// What a stream holds.
async fn state_of(messaging: &Messaging, stream: &str) -> Result<StreamState, Error> {
    let state = messaging.transport().stream_state(stream).await;
    state.map_err(|error| failed(&format!("stream {stream}"), &error))
}

fn millis(time: SystemTime) -> u64 {
    let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// A text from outside, in one line within its limit.
fn shown(text: &str) -> String {
    let line = app_errors::one_line(text).to_string();
    match line.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
