//! The fields of a config in effect, as operators may see them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use capnp::introspect::{Introspect, TypeVariant};
use capnp::message::ReaderSegments;
use capnp::schema::StructSchema;

use super::config::Config;
use crate::json::from_json;
use crate::leaves::{Found, Leaf, LeafValue, default_leaves, leaves_of};

/// How many fields of a config are kept. Further ones are counted.
const MOST_FIELDS: usize = 2_000;
/// The longest value, in bytes.
const MOST_VALUE: usize = 1_024;

/// A field of a config in effect. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldInEffect {
    /// The path, such as `rules[0].permits`.
    pub path: String,
    /// Its value.
    pub value: FieldValue,
    /// Whether it has its default: the file does not set it, or there is no file.
    pub is_default: bool,
    /// Since when it has this value.
    pub since: SystemTime,
    /// Tells whether the value changed. It is a hash with a random key of this process, so it does not help to guess a secret.
    print: u64,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue {
    /// The value as JSON, at most 1 KiB: a longer one is cut, and then it is no JSON.
    Plain(String),
    /// A list of this many elements, which are fields of their own.
    Elements(u32),
    /// A secret of this many bytes.
    Secret(usize),
    /// Bytes or a secret that is not set.
    Unset,
}

/// The fields of a config.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) fields: Arc<[FieldInEffect]>,
    /// How many more there are.
    pub(crate) left_out: usize,
}

impl Fields {
    /// The fields of a message that matches the schema of `C`.
    pub(crate) fn of_message<C: Config, S: ReaderSegments>(segments: &S) -> Self {
        struct_of::<C>()
            .and_then(|schema| leaves_of(schema, segments, MOST_FIELDS).ok())
            .map(|found| Self::of(found, false))
            .unwrap_or_default()
    }

    /// The fields without a file.
    pub(crate) fn without_file<C: Config>() -> Self {
        let Some(json) = C::WITHOUT_FILE else { return Self::default() };
        let Some(schema) = struct_of::<C>() else { return Self::default() };
        let found = if json == "{}" {
            default_leaves(schema, MOST_FIELDS).ok()
        } else {
            let message = from_json(schema, json, None).ok();
            message
                .and_then(|message| leaves_of(schema, &message.get_segments_for_output(), MOST_FIELDS).ok())
        };
        found.map(|found| Self::of(found, true)).unwrap_or_default()
    }

    fn of(found: Found, all_default: bool) -> Self {
        let since = SystemTime::now();
        let field = |Leaf { path, value, is_default }: Leaf| {
            let print = print(&value);
            let is_default = is_default || all_default;
            FieldInEffect { path, value: shown(value), is_default, since, print }
        };
        Self { fields: found.leaves.into_iter().map(field).collect(), left_out: found.left_out }
    }

    /// These fields when they take the place of others: a field with the same value has it since then.
    pub(crate) fn instead_of(self, before: &Self) -> Self {
        let known: HashMap<_, _> = before.fields.iter().map(|field| (field.path.as_str(), field)).collect();
        let field = |field: &FieldInEffect| {
            let same = known.get(field.path.as_str()).filter(|known| known.print == field.print);
            FieldInEffect { since: same.map_or(field.since, |known| known.since), ..field.clone() }
        };
        Self { fields: self.fields.iter().map(field).collect(), left_out: self.left_out }
    }
}

fn struct_of<C: Config>() -> Option<StructSchema> {
    match <C::Schema as Introspect>::introspect().which() {
        TypeVariant::Struct(schema) => Some(schema.into()),
        _ => None,
    }
}

fn shown(value: LeafValue) -> FieldValue {
    match value {
        LeafValue::Plain(mut text) => {
            if text.len() > MOST_VALUE {
                let end = (0..=MOST_VALUE).rev().find(|at| text.is_char_boundary(*at));
                text.truncate(end.unwrap_or(0));
                text.push_str("..");
            }
            FieldValue::Plain(text)
        }
        LeafValue::Elements(number) => FieldValue::Elements(number),
        LeafValue::Bytes(bytes) if bytes.is_empty() => FieldValue::Unset,
        LeafValue::Bytes(bytes) => FieldValue::Secret(bytes.len()),
        LeafValue::Secret(text) => FieldValue::Secret(text.len()),
    }
}

fn print(value: &LeafValue) -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    match value {
        LeafValue::Plain(text) => KEY.hash_one((0_u8, text)),
        LeafValue::Elements(number) => KEY.hash_one((1_u8, number)),
        LeafValue::Bytes(bytes) => KEY.hash_one((2_u8, bytes.as_slice())),
        LeafValue::Secret(text) => KEY.hash_one((3_u8, text.as_str())),
    }
}

#[cfg(test)]
mod tests;
