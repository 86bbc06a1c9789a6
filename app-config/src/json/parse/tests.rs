//! The reader accepts what serde_json accepts, with the same meaning, and says where a text is wrong.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json::pretty;

fn refusal(json: &str) -> String {
    parse(json).err().map(|error| error.to_string()).unwrap_or_default()
}

/// Compares a tree with the value that serde_json reads. Only the reader keeps the digits of numbers.
fn is_same(tree: &Tree, value: &Value) -> bool {
    match (tree, value) {
        (Tree::Null, Value::Null) => true,
        (Tree::Bool(tree), Value::Bool(value)) => tree == value,
        (Tree::Number(digits), Value::Number(value)) => digits.parse::<f64>().ok() == value.as_f64(),
        (Tree::Text(tree), Value::String(value)) => **tree == *value,
        (Tree::List(items), Value::Array(values)) => {
            items.len() == values.len() && items.iter().zip(values).all(|(item, value)| is_same(item, value))
        }
        (Tree::Object(members), Value::Object(values)) => {
            // Of duplicate members serde_json keeps the last one.
            values.iter().all(|(name, value)| {
                members.iter().rfind(|(other, _)| other == name).is_some_and(|(_, tree)| is_same(tree, value))
            }) && members.iter().all(|(name, _)| values.contains_key(name))
        }
        _ => false,
    }
}

/// Whether both readers agree on a text. serde_json alone refuses numbers beyond 64-bit floats.
fn agree(json: &str) -> bool {
    match (parse(json), serde_json::from_str::<Value>(json)) {
        (Ok(tree), Ok(value)) => is_same(&tree, &value),
        (Err(_), Err(_)) => true,
        (Ok(_), Err(error)) => error.to_string().contains("number out of range"),
        (Err(_), Ok(_)) => false,
    }
}

/// Sequences of pieces of JSON. Most are nearly JSON.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            " ",
            "\n",
            "null",
            "true",
            "false",
            "tru",
            "0",
            "-",
            "1",
            "12",
            ".",
            "e",
            "E",
            "+",
            "01",
            "-0",
            "1.5",
            "1e9",
            "1e400",
            "\"a\"",
            "\"a\":",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "é",
            "\u{feff}",
            "\"$serde_json::private::Number\"",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn texts_that_are_nearly_json_are_read_as_by_serde_json(json in pieces()) {
        prop_assert!(agree(&json), "{json:?}: {:?}", parse(&json).map(|tree| pretty(&tree)));
    }

    #[test]
    fn every_value_is_read_as_it_was_written(value in values()) {
        prop_assert!(parse(&value.to_string()).is_ok_and(|tree| is_same(&tree, &value)), "{value}");
        prop_assert!(parse(&format!("{value:#}")).is_ok_and(|tree| is_same(&tree, &value)), "{value}");
    }
}

#[test]
fn numbers_keep_their_digits() {
    let digits = "[0, -0, 1.50, 1E+5, 18446744073709551616, 0.1000000000000000055511151231257827, 1e400]";
    let Ok(Tree::List(items)) = parse(digits) else { panic!("{}", refusal(digits)) };
    let read: Vec<_> =
        items.iter().map(|item| if let Tree::Number(digits) = item { digits.as_str() } else { "" }).collect();
    assert_eq!(format!("[{}]", read.join(", ")), digits);
}

#[test]
fn members_that_are_given_twice_stay() {
    let Ok(Tree::Object(members)) = parse(r#"{"a": 1, "b": 2, "a": 3}"#) else { panic!("an object") };
    assert_eq!(members.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "a"]);
}

#[test]
fn an_error_names_the_place() {
    assert_eq!(refusal("{\"a\":\n  \"é\" 1}"), "expected a comma or } at line 2 column 7");
    assert_eq!(refusal("[1.]"), "expected a digit at line 1 column 4");
    assert_eq!(refusal("[\"\n\"]"), "a control character in a text is not escaped at line 1 column 3");
    assert_eq!(refusal("\"\\q\""), "an escape in a text is unknown at line 1 column 3");
    assert_eq!(refusal("\"\\u00é\""), "an escape \\u needs four hex digits at line 1 column 4");
    assert_eq!(refusal("\"abc"), "a text has no end at line 1 column 5");
    assert_eq!(refusal("\"\\"), "a text has no end at line 1 column 3");
    assert_eq!(refusal("truth"), "expected a value at line 1 column 1");
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(refusal(&nested(MAX_DEPTH + 1)).contains("nested more than 127 deep at line 1 column 128"));
    assert!(refusal(&"[".repeat(8 << 20)).contains("nested more than"));
    // Only open lists count, not all lists of the text.
    assert!(parse(&format!("[{}]", vec!["[[]]"; 500].join(","))).is_ok());
}
