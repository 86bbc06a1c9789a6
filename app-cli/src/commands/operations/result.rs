//! The result of an operation, for people and for programs.

use app_core::operations::MAX_DEPTH;
use serde::Serialize;
use serde_json::Value;

use crate::connect::Session;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Page, Paint};

#[derive(Debug, Serialize)]
struct Printed {
    result: Value,
}

/// Reads the result of a call.
pub(super) fn parse(session: &Session, json: &str) -> Result<Value, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::failed(format!("{}: the result is no JSON: {error}", session.address)))
}

/// Prints a result.
pub(super) fn print(output: Output, result: Value) -> Outcome {
    let answer = Printed { result };
    output.print(&answer, |page| show(&answer.result, page))
}

/// Shows a result: one value on each line, with its path.
pub(super) fn show(result: &Value, page: &mut Page) {
    match result {
        Value::Null => page.line("done"),
        Value::Object(fields) if fields.is_empty() => page.line("done"),
        scalar if as_text(scalar).is_some() => page.line(as_text(scalar).unwrap_or_default()),
        nested => {
            let mut facts = Vec::new();
            flatten(nested, String::new(), MAX_DEPTH, &mut facts);
            let facts: Vec<_> =
                facts.iter().map(|(path, value)| (path.as_str(), value.clone(), Paint::Plain)).collect();
            page.facts(&facts);
        }
    }
}

/// The text of a value that needs no lines of its own: a scalar, or a list of them.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("-".to_owned()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().filter(|item| !item.is_array()).map(as_text).collect();
            items
                .filter(|texts| texts.len() == value.as_array().map_or(0, Vec::len))
                .map(|texts| texts.join(", "))
        }
        Value::Object(_) => None,
    }
}

fn flatten(value: &Value, path: String, depth: usize, facts: &mut Vec<(String, String)>) {
    if let Some(text) = as_text(value) {
        facts.push((path, text));
        return;
    }
    match value {
        Value::Object(fields) if depth > 0 => {
            for (name, field) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(field, below, depth - 1, facts);
            }
        }
        Value::Array(items) if depth > 0 => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, format!("{path}[{index}]"), depth - 1, facts);
            }
        }
        deep => facts.push((path, deep.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(result: &Value) -> String {
        let mut page = Page::new(false);
        show(result, &mut page);
        page.text()
    }

    #[test]
    fn a_result_is_shown_by_lines_with_paths() {
        assert_eq!(shown(&Value::Null), "done\n");
        assert_eq!(shown(&json!({})), "done\n");
        assert_eq!(shown(&json!(7)), "7\n");
        assert_eq!(shown(&json!(["a", 1])), "a, 1\n");
        let nested =
            json!({ "buckets": 3, "items": [{ "id": "0x1", "of": null }, { "id": "0x2" }], "empty": [] });
        assert_eq!(
            shown(&nested),
            "buckets      3\nempty        \nitems[0].id  0x1\nitems[0].of  -\nitems[1].id  0x2\n"
        );
        assert!(!shown(&json!("\u{1b}[31m\nred")).contains('\u{1b}'));
    }
}
