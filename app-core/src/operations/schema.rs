//! JSON Schemas of arguments and results: making them, and walking them beside a value.
//!
//! A schema says which fields a type has, also where serde could not tell: unknown fields are refused although the type does not
//! ask for that, and fields that are secret are hidden in records.

use std::collections::BTreeSet;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// How many references and alternatives are followed from one place.
const MOST_SCHEMAS: usize = 256;

/// What a record shows for a secret.
const SECRET: &str = "(secret)";

/// What a record shows for a field that the type does not have. It may be a secret under a mistyped name.
const UNKNOWN: &str = "(unknown field)";

/// The schema of a type that is read from JSON.
pub(crate) fn of_arguments<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a type that is written as JSON.
pub(crate) fn of_result<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of an operation without arguments.
pub(crate) fn no_arguments() -> Value {
    serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

/// Alternative schemas of a value: it may match one of them, or all.
struct Place<'a> {
    root: &'a Value,
    schemas: Vec<&'a Map<String, Value>>,
    /// Whether any value is allowed.
    open: bool,
}

impl<'a> Place<'a> {
    fn of(root: &'a Value) -> Self {
        Self::new(root, [root])
    }

    fn new(root: &'a Value, schemas: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut place = Self { root, schemas: Vec::new(), open: false };
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<_> = schemas.into_iter().collect();
        while let Some(schema) = waiting.pop() {
            if place.schemas.len() >= MOST_SCHEMAS {
                place.open = true;
                break;
            }
            match schema {
                Value::Object(schema) => {
                    if let Some(Value::String(reference)) = schema.get("$ref")
                        && seen.insert(reference)
                        && let Some(found) = reference.strip_prefix('#').and_then(|at| root.pointer(at))
                    {
                        waiting.push(found);
                    }
                    for several in ["allOf", "anyOf", "oneOf"] {
                        waiting.extend(schema.get(several).and_then(Value::as_array).into_iter().flatten());
                    }
                    let says_something =
                        ["$ref", "allOf", "anyOf", "oneOf", "type", "properties", "enum", "const"];
                    place.open |= !says_something.iter().any(|key| schema.contains_key(*key));
                    place.schemas.push(schema);
                }
                Value::Bool(allowed) => place.open |= allowed,
                _ => {}
            }
        }
        place
    }

    fn is_secret(&self) -> bool {
        self.schemas.iter().any(|schema| schema.get("writeOnly") == Some(&Value::Bool(true)))
    }

    /// The names of all fields.
    fn fields(&self) -> BTreeSet<&'a str> {
        let properties = self.schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
        properties.flat_map(Map::keys).map(String::as_str).collect()
    }

    /// A field of the object. `None` if the object cannot have it.
    fn field(&self, name: &str) -> Option<Self> {
        let named = self.schemas.iter().filter_map(|schema| schema.get("properties")?.get(name));
        let named = Self::new(self.root, named);
        if !named.is_empty() {
            return Some(named);
        }
        let other = |schema: &&'a Map<String, Value>| {
            ["additionalProperties", "unevaluatedProperties"]
                .iter()
                .find_map(|key| schema.get(*key))
                .filter(|other| **other != Value::Bool(false))
        };
        let others = Self::new(self.root, self.schemas.iter().filter_map(other));
        if !others.is_empty()
            || self.open
            || self.schemas.iter().any(|schema| schema.contains_key("patternProperties"))
        {
            return Some(others);
        }
        // An object may have any field if its schema says nothing more.
        let says_nothing = |schema: &&Map<String, Value>| {
            schema.get("type").is_some_and(|of| is_or_has(of, "object"))
                && !schema.contains_key("properties")
                && !schema.contains_key("additionalProperties")
                && !["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.contains_key(*key))
        };
        (self.fields().is_empty() && self.schemas.iter().any(says_nothing)).then_some(others)
    }

    /// The item of a list at this index.
    fn item(&self, index: usize) -> Self {
        let items = self.schemas.iter().filter_map(|schema| {
            let prefix = schema.get("prefixItems").and_then(|prefix| prefix.get(index));
            prefix.or_else(|| schema.get("items"))
        });
        Self::new(self.root, items)
    }

    fn is_empty(&self) -> bool {
        self.schemas.is_empty() && !self.open
    }
}

fn is_or_has(of: &Value, name: &str) -> bool {
    of == name || of.as_array().is_some_and(|all| all.iter().any(|one| one == name))
}

/// The path of the first field that the schema does not have, with the fields that are there instead.
pub(crate) fn unknown_field(schema: &Value, value: &Value) -> Option<String> {
    unknown_in(&Place::of(schema), value, "arguments")
}

fn unknown_in(place: &Place<'_>, value: &Value, path: &str) -> Option<String> {
    if place.is_empty() {
        return None;
    }
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, field)| match place.field(name) {
            Some(place) => unknown_in(&place, field, &format!("{path}.{}", short(name))),
            // What is no object for the schema is an error of its type.
            None if place.fields().is_empty() && path != "arguments" => None,
            None => Some(unknown(&place.fields(), name, path)),
        }),
        Value::Array(items) => {
            let mut items = (0..).zip(items);
            items.find_map(|(index, item)| unknown_in(&place.item(index), item, &format!("{path}[{index}]")))
        }
        _ => None,
    }
}

fn unknown(known: &BTreeSet<&str>, name: &str, path: &str) -> String {
    let near = known.iter().map(|field| (strsim::osa_distance(field, name), field)).min();
    let known: Vec<_> = known.iter().take(32).copied().collect();
    let instead = match near {
        _ if known.is_empty() => "there are no fields".to_owned(),
        Some((distance, field)) if distance <= 2 => format!("did you mean {field}?"),
        _ => format!("the fields are {}", known.join(", ")),
    };
    format!("{path}.{}: unknown field; {instead}", short(name))
}

/// A name from outside, short enough for an error.
fn short(name: &str) -> String {
    match name.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", name[..end].escape_debug()),
        None => name.escape_debug().to_string(),
    }
}

/// A copy of arguments, with `(secret)` in place of each secret, and `(unknown field)` in place of each value that the schema does not
/// have: it may be a secret under a mistyped name.
///
/// ```
/// use app_core::operations::hide_secrets;
/// use serde_json::json;
///
/// let schema = json!({ "type": "object", "properties": { "password": { "type": "string", "writeOnly": true } } });
/// let hidden = hide_secrets(&schema, &json!({ "password": "hunter2", "pasword": "hunter2" }));
/// assert_eq!(hidden, json!({ "password": "(secret)", "pasword": "(unknown field)" }));
/// ```
#[must_use]
pub fn hide_secrets(schema: &Value, value: &Value) -> Value {
    hide(&Place::of(schema), value)
}

fn hide(place: &Place<'_>, value: &Value) -> Value {
    if place.is_secret() {
        return SECRET.into();
    }
    match value {
        Value::Object(fields) => {
            let shown = fields.iter().map(|(name, field)| {
                let shown = place.field(name).map_or_else(|| UNKNOWN.into(), |place| hide(&place, field));
                (name.clone(), shown)
            });
            Value::Object(shown.collect())
        }
        Value::Array(items) => {
            Value::Array((0..).zip(items).map(|(index, item)| hide(&place.item(index), item)).collect())
        }
        other => other.clone(),
    }
}

/// All texts and numbers in secret fields, to keep them out of errors.
pub(crate) fn secret_texts(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(&Place::of(schema), value, false, &mut found);
    found
}

fn collect(place: &Place<'_>, value: &Value, inside: bool, found: &mut Vec<String>) {
    let secret = inside || place.is_secret();
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| match place.field(name) {
            Some(place) => collect(&place, field, secret, found),
            None => {
                collect(&Place { root: place.root, schemas: Vec::new(), open: true }, field, secret, found)
            }
        }),
        Value::Array(items) => {
            (0..).zip(items).for_each(|(index, item)| collect(&place.item(index), item, secret, found));
        }
        Value::String(text) if secret => found.push(text.clone()),
        Value::Number(number) if secret => found.push(number.to_string()),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
