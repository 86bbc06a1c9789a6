//! JSON to messages and back: every error by its text, and everything valid stays the same.

mod errors;
mod round_trip;

use capnp::message::{Builder, HeapAllocator};
use capnp::schema::StructSchema;

use super::*;
use crate::codec::{Message, decode, marshal};

/// The message after writing it to a config file and reading it.
fn framed(message: &Builder<HeapAllocator>) -> Message {
    let mut file = Vec::new();
    marshal(message, &mut file).unwrap();
    decode(&file).unwrap()
}

fn json_of(schema: StructSchema, message: &Builder<HeapAllocator>) -> String {
    to_json(schema, framed(message)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn read_json(schema: StructSchema, json: &str) -> Draft {
    from_json(schema, json, None).unwrap_or_else(|problems| panic!("{problems}\n{json}"))
}

/// The problems of the JSON, one text each.
fn problems(schema: StructSchema, json: &str) -> Vec<String> {
    match from_json(schema, json, None) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_vec().iter().map(ToString::to_string).collect(),
    }
}
