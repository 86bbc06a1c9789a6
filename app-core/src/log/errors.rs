//! Errors as JSON objects, for the key `err` and every other key that holds an error.

use std::error::Error as StdError;

use serde_json::{Value, json};

/// A chain of causes longer than this is cut: it may be a circle.
const MAX_CAUSES: usize = 16;

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
    let causes: Vec<String> = causes.take(MAX_CAUSES).map(ToString::to_string).collect();
    if causes.is_empty() {
        json!({ "message": error.to_string() })
    } else {
        json!({ "message": error.to_string(), "causes": causes })
    }
}
