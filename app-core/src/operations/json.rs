//! JSON from outside: strict, within bounds of size and depth.

use std::{
    fmt,
    io::{self, Write},
};

use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The longest arguments and the longest result of an operation, in bytes of JSON. A message of 1 MiB has room for them.
pub const MAX_BYTES: usize = (1 << 20) - 4096;

/// How deep objects and lists may be nested in arguments.
pub const MAX_DEPTH: usize = 32;

/// Reads the arguments of an operation. Empty text means no arguments.
///
/// ```
/// use app_core::operations::parse;
///
/// assert_eq!(parse(r#"{ "rule": "default" }"#).unwrap()["rule"], "default");
/// let twice = parse(r#"{ "rule": "a", "rule": "b" }"#).unwrap_err();
/// assert!(twice.contains("\"rule\" is given twice"));
/// ```
///
/// # Errors
/// What is wrong: more than [`MAX_BYTES`], more than [`MAX_DEPTH`] levels, a field that is given twice, or text that is no JSON. The
/// text never quotes a value.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.len() > MAX_BYTES {
        return Err(too_long(text.len()));
    }
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Strict(MAX_DEPTH).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| format!("arguments: {error}; give one JSON object"))
}

fn too_long(bytes: usize) -> String {
    format!("arguments: have {bytes} bytes of JSON; give at most {MAX_BYTES}")
}

/// Checks the bounds of arguments that were made in this process.
pub(crate) fn check_arguments(arguments: &Value) -> Result<(), String> {
    if !is_within(arguments, MAX_DEPTH) {
        return Err(format!("arguments: {}", too_deep()));
    }
    let mut counts = BoundedText { text: None, bytes: 0, most: MAX_BYTES };
    match serde_json::to_writer(&mut counts, arguments) {
        Ok(()) => Ok(()),
        Err(_) => Err(format!("arguments: have more than {MAX_BYTES} bytes of JSON; give at most that")),
    }
}

fn is_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_within(item, depth - 1)),
        Value::Object(fields) => depth > 0 && fields.values().all(|field| is_within(field, depth - 1)),
        _ => true,
    }
}

fn too_deep() -> String {
    format!("objects and lists are nested too deep; give at most {MAX_DEPTH} levels")
}

/// Prints a result, unless it has more bytes than this.
///
/// # Errors
/// `Ok(None)` if it is too long. Otherwise what `Serialize` of its type answered.
pub(crate) fn print<T: Serialize + ?Sized>(
    value: &T,
    most: usize,
) -> Result<Option<String>, serde_json::Error> {
    let mut printed = BoundedText { text: Some(Vec::new()), bytes: 0, most };
    match serde_json::to_writer(&mut printed, value) {
        Ok(()) => Ok(printed.text.and_then(|text| String::from_utf8(text).ok())),
        Err(_) if printed.bytes > most => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes up to so many bytes, and keeps them or only counts them.
struct BoundedText {
    text: Option<Vec<u8>>,
    bytes: usize,
    most: usize,
}

impl Write for BoundedText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        if self.bytes > self.most {
            return Err(io::Error::other("too long"));
        }
        if let Some(text) = &mut self.text {
            text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a value with so many levels of objects and lists, and no field twice.
#[derive(Clone, Copy)]
struct Strict(usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if map.contains_key(&name) {
                let short: String = name.chars().take(64).collect();
                return Err(A::Error::custom(format_args!("the field {short:?} is given twice")));
            }
            map.insert(name, fields.next_value_seed(below)?);
        }
        Ok(Value::Object(map))
    }
}

impl Strict {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(too_deep()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read_with_bounds_and_without_doubles() {
        assert_eq!(parse(" ").unwrap(), json!({}));
        let all = json!({ "a": [1, -2, 2.5, "x", null, true, { "b": {} }] });
        assert_eq!(parse(&all.to_string()).unwrap(), all);
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        for (bad, says) in [
            (deep(MAX_DEPTH + 1), "nested too deep"),
            (deep(100_000), "nested too deep"),
            ("{\"a\":".repeat(100_000), "nested too deep"),
            (format!("\"{}\"", "x".repeat(MAX_BYTES)), "give at most 1044480"),
            (r#"{"a":1,"a":1}"#.to_owned(), "\"a\" is given twice"),
            (r#"{"a":{"b":1,"b":2}}"#.to_owned(), "\"b\" is given twice"),
            ("{} {}".to_owned(), "trailing characters"),
            ("{".to_owned(), "EOF"),
            ("1e999".to_owned(), "out of range"),
        ] {
            let wrong = parse(&bad).unwrap_err();
            assert!(wrong.starts_with("arguments: ") && wrong.contains(says) && wrong.len() < 300, "{wrong}");
        }
    }

    #[test]
    fn arguments_of_this_process_have_the_same_bounds() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(check_arguments(&nested(MAX_DEPTH)).is_ok());
        assert!(check_arguments(&nested(MAX_DEPTH + 1)).unwrap_err().contains("nested too deep"));
        assert!(check_arguments(&json!("x".repeat(MAX_BYTES - 2))).is_ok());
        assert!(check_arguments(&json!("x".repeat(MAX_BYTES - 1))).unwrap_err().contains("at most"));
    }

    #[test]
    fn a_result_that_is_too_long_is_not_printed() {
        assert_eq!(print(&[1, 2], 5).unwrap().as_deref(), Some("[1,2]"));
        assert_eq!(print(&[1, 2], 4).unwrap(), None);
        let no_json = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(print(&no_json, 100).is_err());
    }
}
