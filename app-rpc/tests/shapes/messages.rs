//! Messages that only a hostile client sends, in bytes.

use capnp::message::{Builder, HeapAllocator};
use capnp::traits::HasTypeId;
use capnp_rpc::rpc_capnp::{call, message, promised_answer};
use quota_schema::quota_capnp::quota;

/// Nearly as large as a message may be.
pub(crate) const LARGE: usize = 900_000;

/// A message, with its segment table.
pub(crate) fn built(build: impl FnOnce(message::Builder<'_>)) -> Vec<u8> {
    let mut built = Builder::<HeapAllocator>::new_default();
    build(built.init_root());
    capnp::serialize::write_message_to_words(&built)
}

/// A call of `acquire` on the answer to question 0.
pub(crate) fn acquire(message: message::Builder<'_>, question: u32) -> call::Builder<'_> {
    let mut call = message.init_call();
    call.set_question_id(question);
    call.set_interface_id(quota::Client::TYPE_ID);
    call.reborrow().init_target().init_promised_answer().set_question_id(0);
    call
}

/// The same, with params.
pub(crate) fn call(question: u32, rule: &str, key: &str) -> Vec<u8> {
    built(|message| {
        let params = acquire(message, question).get_params().unwrap();
        let mut params = params.get_content().init_as::<quota::acquire_params::Builder<'_>>();
        params.set_rule(rule);
        params.set_key(key);
    })
}

/// A call on the answer of another question.
pub(crate) fn resting(question: u32, on: u32) -> Vec<u8> {
    built(|message| {
        let call = acquire(message, question);
        call.get_target().unwrap().init_promised_answer().set_question_id(on);
    })
}

pub(crate) fn bootstrap(question: u32) -> Vec<u8> {
    built(|message| message.init_bootstrap().set_question_id(question))
}

pub(crate) fn finish(question: u32) -> Vec<u8> {
    built(|message| message.init_finish().set_question_id(question))
}

/// A call with a path of this many steps into an answer.
pub(crate) fn path(question: u32, steps: u32) -> Vec<u8> {
    built(|message| {
        let target = acquire(message, question).get_target().unwrap();
        fill(target.init_promised_answer(), steps);
    })
}

pub(crate) fn fill(mut answer: promised_answer::Builder<'_>, steps: u32) {
    answer.set_question_id(0);
    let mut transform = answer.init_transform(steps);
    for step in 0..steps {
        transform.reborrow().get(step).set_get_pointer_field(0);
    }
}

/// Changes the last list of one element with this many words of data and pointers: it claims `elements` elements without a size.
pub(crate) fn claiming(mut bytes: Vec<u8>, (data, pointers): (u64, u64), elements: u32) -> Vec<u8> {
    let tag = 1 << 2 | data << 32 | pointers << 48;
    let word = |place: usize| u64::from_le_bytes(bytes[place * 8..place * 8 + 8].try_into().unwrap());
    let place = (1..bytes.len() / 8).rev().find(|place| word(*place) == tag).expect("a list of one element");
    bytes[place * 8..place * 8 + 8].copy_from_slice(&u64::from(elements << 2).to_le_bytes());
    bytes
}

/// A message of these segments, with any content.
pub(crate) fn segments(segments: &[Vec<u64>]) -> Vec<u8> {
    let mut numbers = vec![segments.len() as u32 - 1];
    numbers.extend(segments.iter().map(|segment| segment.len() as u32));
    if numbers.len() % 2 == 1 {
        numbers.push(0);
    }
    let table = numbers.iter().flat_map(|number| number.to_le_bytes());
    table.chain(segments.iter().flatten().flat_map(|word| word.to_le_bytes())).collect()
}

/// The same message in this many segments. All segments but the first are empty.
pub(crate) fn with_empty_segments(bytes: &[u8], count: usize) -> Vec<u8> {
    let words = bytes[8..].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    let mut all = vec![words];
    all.resize(count, Vec::new());
    segments(&all)
}

/// The same message with a further segment.
pub(crate) fn beside(bytes: &[u8], segment: &[u8]) -> Vec<u8> {
    let first = &bytes[8..];
    let table = [1, first.len() as u32 / 8, segment.len() as u32 / 8, 0];
    [&table.map(u32::to_le_bytes).concat(), first, segment].concat()
}

/// A root that is a struct of this kind, a variant of the union, with a word as its content.
pub(crate) fn kind(kind: u64, pointer: u64) -> Vec<u8> {
    // A pointer to a struct of one word of data and one pointer, right after it.
    segments(&[vec![1 << 32 | 1 << 48, kind, pointer]])
}
