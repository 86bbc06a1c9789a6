//! Every type of message and every stream of a program, checked.

use std::collections::BTreeMap;

use app_core::prelude::*;
use app_ids::{MessageId, StreamId};

use crate::ids::MESSAGING_SERVICE_ID;
use crate::types::{MessageInfo, MessageKind, StreamSpec};

/// What is declared, without contradictions.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    streams: BTreeMap<StreamId, StreamSpec>,
    stream_of: BTreeMap<MessageId, StreamId>,
    messages: BTreeMap<MessageId, MessageInfo>,
}

impl Catalog {
    /// What is linked into this program.
    ///
    /// # Errors
    /// Every contradiction, one for each.
    pub(crate) fn linked() -> Result<Self, Vec<String>> {
        let messages = inventory::iter::<MessageInfo>.into_iter().copied().collect();
        Self::of(messages, inventory::iter::<StreamSpec>.into_iter().copied().collect())
    }

    /// The catalog of these types and streams.
    fn of(mut messages: Vec<MessageInfo>, mut streams: Vec<StreamSpec>) -> Result<Self, Vec<String>> {
        messages.sort_by_key(|message| (message.id(), message.place()));
        streams.sort_by_key(|stream| (stream.id(), stream.place()));
        let mut problems = Vec::new();
        for message in messages.iter().filter(|message| message.id().is_zero()) {
            problems.push(format!(
                "message {:?} ({}): has the id 0; give it one, from `appctl id`",
                message.name(),
                message.place()
            ));
        }
        for pair in messages.windows(2).filter(|pair| pair[0].id() == pair[1].id()) {
            problems.push(twice("message", &pair[0].describe(), &pair[0].place(), &pair[1].place()));
        }
        for stream in streams.iter().filter(|stream| stream.id().is_zero()) {
            problems.push(format!(
                "stream {:?} ({}): has the id 0; give it one, from `appctl id`",
                stream.name(),
                stream.place()
            ));
        }
        for pair in streams.windows(2).filter(|pair| pair[0].id() == pair[1].id()) {
            problems.push(twice("stream", &pair[0].describe(), &pair[0].place(), &pair[1].place()));
        }
        let mut homes: BTreeMap<MessageId, Vec<StreamId>> = BTreeMap::new();
        for stream in &streams {
            let (max_age, _, window) = stream.limits();
            if !max_age.is_zero() && window > max_age {
                problems.push(format!(
                    "stream {} ({}): remembers ids for longer than it keeps messages; lower duplicate_window, or raise max_age",
                    stream.describe(),
                    stream.place()
                ));
            }
            for stored in stream.stores() {
                homes.entry(stored.id()).or_default().push(stream.id());
            }
        }
        problems.extend(homeless(&messages, &homes));
        if !problems.is_empty() {
            return Err(problems);
        }
        let stream_of = homes.into_iter().filter_map(|(message, homes)| Some((message, *homes.first()?)));
        Ok(Self {
            stream_of: stream_of.collect(),
            messages: messages.into_iter().map(|message| (message.id(), message)).collect(),
            streams: streams.into_iter().map(|stream| (stream.id(), stream)).collect(),
        })
    }

    /// The stream that stores a type.
    pub(crate) fn stream_of(&self, message: MessageId) -> Option<&StreamSpec> {
        self.streams.get(self.stream_of.get(&message)?)
    }

    /// The type with this id.
    pub(crate) fn message(&self, message: MessageId) -> Option<&MessageInfo> {
        self.messages.get(&message)
    }

    /// Every stream, by id.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &StreamSpec> {
        self.streams.values()
    }
}

/// A problem for each stored type that is not in exactly one stream.
fn homeless(messages: &[MessageInfo], homes: &BTreeMap<MessageId, Vec<StreamId>>) -> Vec<String> {
    let stored = messages.iter().filter(|message| message.kind() == MessageKind::Stored);
    let problem = |message: &MessageInfo| {
        let homes = homes.get(&message.id()).map_or(&[][..], Vec::as_slice);
        let (what, place) = (message.describe(), message.place());
        match homes {
            [_] => None,
            [] => Some(format!(
                "message {what} ({place}): is stored by no stream; name it in `stores` of one `stream!`, and link its crate"
            )),
            homes => {
                let homes: Vec<_> = homes.iter().map(|stream| stream.describe().to_string()).collect();
                Some(format!(
                    "message {what} ({place}): is stored by {} streams, {}; leave it in one of them",
                    homes.len(),
                    homes.join(" and ")
                ))
            }
        }
    };
    stored.filter_map(problem).collect()
}

fn twice(noun: &str, what: &str, first: &str, second: &str) -> String {
    format!(
        "{noun} {what}: is declared twice, at {first} and at {second}; give one of them another id, from `appctl id`"
    )
}

/// The problems as errors of the start.
pub(crate) fn as_errors(problems: Vec<String>) -> Vec<Error> {
    let error =
        |problem: String| errors::SERVICE_INIT_FAILED.error(MESSAGING_SERVICE_ID).message(problem).build();
    problems.into_iter().map(error).collect()
}

#[cfg(test)]
mod tests;
