//! What the messages of all candidates say.

use app_core::prelude::ServiceId;
use bytes::Bytes;
use capnp::traits::Owned;
use quota_schema::quota_capnp::{exhausted, remaining_answer, remaining_ask};

use crate::rounds::Failure;

/// The service that the types of the messages belong to.
pub(super) const LOAD: ServiceId = ServiceId::new(0xe90b_57c1_4a2f_d863);

const RULE: &str = "default";
const KEY: &str = "customer-4711";
const RETRY_AFTER_MILLIS: u32 = 250;
pub(super) const REMAINING: u32 = 999;

pub(super) fn fill(message: &mut exhausted::Builder<'_>) {
    message.set_rule(RULE);
    message.set_key(KEY);
    message.set_retry_after_millis(RETRY_AFTER_MILLIS);
    message.set_at_millis(1_790_000_000_000);
}

/// What a handler reads.
pub(super) fn read(message: exhausted::Reader<'_>) -> capnp::Result<bool> {
    Ok(message.get_key()?.as_bytes() == KEY.as_bytes()
        && message.get_retry_after_millis() == RETRY_AFTER_MILLIS)
}

pub(super) fn fill_ask(ask: &mut remaining_ask::Builder<'_>) {
    ask.set_rule(RULE);
    ask.set_key(KEY);
}

pub(super) fn read_ask(ask: remaining_ask::Reader<'_>) -> capnp::Result<bool> {
    Ok(ask.get_key()?.as_bytes() == KEY.as_bytes())
}

pub(super) fn fill_answer(answer: &mut remaining_answer::Builder<'_>) {
    answer.set_remaining(REMAINING);
}

pub(super) fn expect(what: &str, good: bool) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(format!("{what} has another content than was sent").into()) }
}

/// A packed message.
pub(super) fn packed<S: Owned>(fill: impl FnOnce(&mut S::Builder<'_>)) -> Result<Bytes, Failure> {
    let mut message = capnp::message::Builder::new_default();
    fill(&mut message.init_root::<S::Builder<'_>>());
    let mut packed = Vec::new();
    capnp::serialize_packed::write_message(&mut packed, &message)?;
    Ok(packed.into())
}

/// Reads a packed message.
pub(super) fn unpacked<S: Owned, T>(
    mut packed: &[u8],
    read: impl FnOnce(S::Reader<'_>) -> capnp::Result<T>,
) -> Result<T, Failure> {
    let message = capnp::serialize_packed::read_message(&mut packed, capnp::message::ReaderOptions::new())?;
    Ok(read(message.get_root::<S::Reader<'_>>()?)?)
}
