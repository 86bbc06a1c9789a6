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

/// The most elements of a list that an app answers: an element may take nothing on the wire and hundreds of bytes here.
pub(crate) const MOST_ELEMENTS: usize = 10_000;
/// The most bytes that are kept of a text. Apps send 1 KiB at most.
const MOST_TEXT: usize = 4096;

/// Text, whatever its bytes are: its beginning, if it is long.
pub(crate) fn text(text: capnp::Result<capnp::text::Reader<'_>>) -> capnp::Result<String> {
    let bytes = text?.as_bytes();
    if bytes.len() <= MOST_TEXT {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let mut text = String::from_utf8_lossy(&bytes[..MOST_TEXT]).into_owned();
    text.push_str("..");
    Ok(text)
}

/// The elements of a list.
///
/// # Errors
/// An element can't be read, or there are more than [`MOST_ELEMENTS`]: then none is read.
pub(crate) fn elements<I: IntoIterator, T>(
    list: I,
    of: impl FnMut(I::Item) -> capnp::Result<T>,
) -> capnp::Result<Vec<T>>
where
    I::IntoIter: ExactSizeIterator,
{
    let list = list.into_iter();
    match list.len() {
        0..=MOST_ELEMENTS => list.map(of).collect(),
        length => Err(capnp::Error::failed(format!(
            "{TOO_MUCH}: a list of {length} elements, where at most {MOST_ELEMENTS} are taken"
        ))),
    }
}

/// How the error begins when an app answered more than is taken.
pub(crate) const TOO_MUCH: &str = "the answer is too large";

/// Text that is not empty.
fn some_text(reader: capnp::Result<capnp::text::Reader<'_>>) -> capnp::Result<Option<String>> {
    Ok(Some(text(reader)?).filter(|text| !text.is_empty()))
}

/// The texts of a list.
pub(crate) fn texts(list: capnp::Result<capnp::text_list::Reader<'_>>) -> capnp::Result<Vec<String>> {
    elements(list?, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_is_refused_unread() {
        let read = |length: usize| elements(0..length, Ok);
        assert!(read(MOST_ELEMENTS).is_ok_and(|list| list.len() == MOST_ELEMENTS));
        let refused = elements(0..MOST_ELEMENTS + 1, |_| -> capnp::Result<()> { panic!("it was read") });
        assert!(refused.is_err_and(|error| error.extra.starts_with(TOO_MUCH)));
    }
}
