//! Errors as JSON objects, for the key `err` and every other key that holds an error, and as text.

use std::error::Error as StdError;
use std::fmt::Write;

use serde_json::{Value, json};

use super::text::Cut;

/// A chain of causes longer than this is cut: it may be a circle.
const MAX_CAUSES: usize = 16;
/// A record has no room for more of one text.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// The JSON form of the platform's errors; `message` and `causes` of any other.
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

/// The error and its causes in one line. Some errors print their cause as well: that is said once.
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
    let mut text = Cut::new(MAX_TEXT_BYTES);
    // An error that fails to print itself has said what it could.
    let _ = write!(text, "{error}");
    text.finish()
}
