//! What apps answer, as values: made of messages here, and nowhere else; printed as JSON with the names of their fields.

mod config;
mod event;
mod health;
mod identity;
mod level;
mod service;

pub(crate) use self::config::Config;
pub(crate) use self::event::Event;
pub(crate) use self::health::{Check, CheckResult, History, Verdict};
pub(crate) use self::identity::Identity;
pub(crate) use self::level::{Level, Setting, parse_level};
pub(crate) use self::service::Service;

/// Text, whatever its bytes are.
pub(crate) fn text(text: capnp::Result<capnp::text::Reader<'_>>) -> capnp::Result<String> {
    Ok(String::from_utf8_lossy(text?.as_bytes()).into_owned())
}

/// Text that is not empty.
fn some_text(reader: capnp::Result<capnp::text::Reader<'_>>) -> capnp::Result<Option<String>> {
    Ok(Some(text(reader)?).filter(|text| !text.is_empty()))
}

/// The texts of a list.
pub(crate) fn texts(list: capnp::Result<capnp::text_list::Reader<'_>>) -> capnp::Result<Vec<String>> {
    list?.iter().map(text).collect()
}
