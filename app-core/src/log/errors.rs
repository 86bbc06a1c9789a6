//! Errors in log records: as JSON objects and as text.

use std::error::Error as StdError;
use std::fmt::Write;

use serde_json::{Value, json};

use super::text::CappedText;

/// The most causes of a foreign error. Longer chains are cut; one may be a circle.
const MAX_CAUSES: usize = 16;
/// The most bytes of one text: a record has no room for more.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The JSON of an error. A foreign error is an object with `message` and `causes`.
pub(super) fn to_json(error: &(dyn StdError + 'static), with_stack: bool) -> Value {
    match error.downcast_ref::<app_errors::Error>() {
        Some(error) if with_stack => error.to_json(),
        Some(error) => error.to_json_without_stack(),
        None => foreign(error),
    }
}

fn foreign(error: &(dyn StdError + 'static)) -> Value {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let causes: Vec<String> = causes.take(MAX_CAUSES).map(own_text).collect();
    if causes.is_empty() {
        json!({ "message": own_text(error) })
    } else {
        json!({ "message": own_text(error), "causes": causes })
    }
}

/// The error and its causes on one line. A cause that the text before already ends with is left out: some errors print
/// their cause, too.
pub(super) fn to_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = own_text(error);
    if error.is::<app_errors::Error>() {
        return text;
    }
    let mut last = text.clone();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()).take(MAX_CAUSES) {
        let cause = own_text(cause);
        if !last.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
            last = cause;
        }
    }
    text
}

fn own_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = CappedText::new(MAX_TEXT_BYTES);
    // An error that fails to print itself leaves what it has printed so far.
    let _ = write!(text, "{error}");
    text.finish()
}
