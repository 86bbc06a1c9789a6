//! A plain config file, from its first byte to a message of each type, as every file in a config directory is read.
#![no_main]

use app_config::author::{from_json, to_json};
use app_config::codec::Message;

use app_config::codec::{decode, marshal};
use app_config_fuzz::file;
use app_config_fuzz::memory::{READING_BYTES, within};
use app_config_fuzz::types::{self, ConfigType};
use capnp::any_pointer;
use capnp::message::{Builder, HeapAllocator, ReaderSegments};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

/// The memory for the JSON of `config open`: a message of 1 MiB may have 131,072 structs.
const JSON_BYTES: usize = 64 << 20;

/// Longer JSON is not read back: that would find nothing new, and there would be fewer runs.
const MOST_JSON_READ_BYTES: usize = 64 << 10;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    file::mutate(data, size, max_size, seed)
});

fuzz_target!(|input: &[u8]| {
    let Ok(message) = within(READING_BYTES, || decode(input)) else { return };
    survives_the_file(message);
    let mut types = types::all().into_iter();
    if let Some(of) = types.find(|of| within(READING_BYTES, || (of.check)(again(input))).is_ok()) {
        survives_json(of, again(input));
    }
});

fn again(input: &[u8]) -> Message {
    decode(input).expect("it was accepted before")
}

/// A message that can be copied can be written, and reads as the same.
fn survives_the_file(message: Message) {
    let mut copy = Builder::new_default();
    let root = message.get_root::<any_pointer::Reader<'_>>();
    if root.is_ok_and(|root| copy.set_root(root).is_ok())
        && let Some(file) = file_of(&copy)
    {
        let written = copy.get_segments_for_output();
        let read = again(&file).into_segments();
        assert_eq!(written.len(), read.len(), "segments");
        for (index, segment) in (0..).zip(written.iter()) {
            assert_eq!(read.get_segment(index), Some(*segment), "segment {index}");
        }
    }
}

/// The config file of a message. `None` if the file is too large: a copy duplicates what two pointers share.
fn file_of(message: &Builder<HeapAllocator>) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    marshal(message, &mut file).is_ok().then_some(file)
}

/// The JSON of a message has everything that the message has.
fn survives_json(of: ConfigType, message: Message) {
    let Ok(json) = within(JSON_BYTES, || to_json(of.schema, message)) else { return };
    if json.len() > MOST_JSON_READ_BYTES {
        return;
    }
    match from_json(of.schema, &json, None) {
        Ok(read) => {
            let Some(file) = file_of(&read) else { return };
            assert_eq!(to_json(of.schema, again(&file)).expect("it came from JSON"), json);
        }
        Err(problems) => {
            let text = problems.to_string();
            assert!(text.contains("larger than 1 MiB"), "{text}\n{json}");
        }
    }
}
