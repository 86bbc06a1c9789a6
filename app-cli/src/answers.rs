//! The answers of apps as values. Only this module reads them from messages. Their field names are the keys of the JSON output.

mod config;
mod event;
mod health;
mod identity;
mod level;
mod operation;
mod service;

pub(crate) use self::config::Config;
pub(crate) use self::event::{Event, moment};
pub(crate) use self::health::{Check, CheckResult, CheckStatus, History};
pub(crate) use self::identity::Identity;
pub(crate) use self::level::{Level, Setting, parse_level};
pub(crate) use self::operation::OperationInfo;
pub(crate) use self::service::Service;

/// Most elements of a list in an answer. An element may take no byte on the wire and hundreds of bytes here.
pub(crate) const MOST_ELEMENTS: usize = 10_000;
/// Longest text in bytes; longer texts are cut. Apps send at most 1 KiB.
const MOST_TEXT: usize = 4096;

/// Reads a text. Invalid UTF-8 is replaced, and a long text is cut.
pub(crate) fn text(text: capnp::Result<capnp::text::Reader<'_>>) -> capnp::Result<String> {
    let bytes = text?.as_bytes();
    if bytes.len() <= MOST_TEXT {
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let mut text = String::from_utf8_lossy(&bytes[..MOST_TEXT]).into_owned();
    text.push_str("..");
    Ok(text)
}

/// A text of JSON, cut as [`text`] does.
pub(crate) fn cut(text: &str) -> String {
    if text.len() <= MOST_TEXT {
        return text.to_owned();
    }
    let end = (0..=MOST_TEXT).rev().find(|at| text.is_char_boundary(*at));
    format!("{}..", &text[..end.unwrap_or(0)])
}

/// Reads the elements of a list.
///
/// # Errors
/// An element cannot be read, or there are more than [`MOST_ELEMENTS`]. In that case no element is read.
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
            "{TOO_MUCH}: a list of {length} elements; at most {MOST_ELEMENTS} are read"
        ))),
    }
}

/// Beginning of the error text for an answer that is too large.
pub(crate) const TOO_MUCH: &str = "the answer is too large";

/// Reads a text; `None` if it is empty.
fn some_text(reader: capnp::Result<capnp::text::Reader<'_>>) -> capnp::Result<Option<String>> {
    Ok(Some(text(reader)?).filter(|text| !text.is_empty()))
}

/// Reads a list of texts.
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
