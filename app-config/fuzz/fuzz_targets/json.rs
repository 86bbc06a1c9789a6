//! JSON that people write. The first byte chooses the type of config, the rest is the text.
#![no_main]

use app_config::author::{from_json, to_json};
use app_config::codec::Message;

use app_config::codec::{decode, marshal};
use app_config_fuzz::memory::{READING_BYTES, within};
use app_config_fuzz::types;
use capnp::message::{Builder, HeapAllocator};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, json)) = input.split_first() else { return };
    let Ok(json) = str::from_utf8(json) else { return };
    let types = types::all();
    let schema = types[usize::from(*choice) % types.len()].schema;
    let Ok(message) = within(READING_BYTES, || from_json(schema, json, None)) else { return };
    let opened = to_json(schema, framed(&message)).expect("it came from JSON");
    let again = from_json(schema, &opened, None).unwrap_or_else(|problems| panic!("{problems}\n{opened}"));
    assert_eq!(to_json(schema, framed(&again)).expect("it came from JSON"), opened);
});

/// The message after writing it to a config file and reading it.
fn framed(message: &Builder<HeapAllocator>) -> Message {
    let mut file = Vec::new();
    marshal(message, &mut file).expect("no larger than a config may be");
    decode(&file).expect("it was just written")
}
