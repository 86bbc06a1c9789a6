//! The arguments of an operation that have flags, from their JSON Schema.

use app_core::operations::{RESERVED_FLAGS, flag_of};
use serde_json::{Map, Value};

/// How many references are followed from one field.
const MOST_REFERENCES: usize = 16;

/// An argument that has a flag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    /// Its flag, without dashes.
    pub(super) flag: String,
    pub(super) about: String,
    pub(super) required: bool,
    pub(super) kind: Kind,
    /// Of a secret: whether it is a number.
    is_number: bool,
}

/// The values of a flag.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Text,
    /// An id in hex.
    Id,
    Choice(Vec<String>),
    Integer {
        least: Option<i128>,
        most: Option<i128>,
    },
    Number,
    Bool,
    /// Given by a file or by standard input.
    Secret,
    List(Box<Kind>),
}

/// The fields with flags, in the order of their names.
pub(super) fn all(schema: &Value) -> Vec<Field> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
    let properties = schema.get("properties").and_then(Value::as_object);
    let field = |(name, of): (&String, &Value)| {
        let flag = flag_of(name).filter(|flag| !RESERVED_FLAGS.contains(&flag.as_str()))?;
        let resolved = Resolved::of(schema, of);
        let kind = resolved.kind(schema)?;
        let about = resolved.about.replace('\n', " ");
        let is_number = resolved.of_type("integer") || resolved.of_type("number");
        Some(Field { required: is_required(name), name: name.clone(), flag, about, kind, is_number })
    };
    properties.into_iter().flatten().filter_map(field).collect()
}

/// The names of all fields of an object.
pub(super) fn names(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::keys).cloned().collect()
}

impl Field {
    /// The value of a secret.
    pub(super) fn secret(&self, text: &str) -> Result<Value, String> {
        if !self.is_number {
            return Ok(text.into());
        }
        // The error of the parser would quote the secret.
        number(text).ok_or_else(|| "is no number".to_owned())
    }
}

/// A schema without references and without `null`.
struct Resolved<'a> {
    about: String,
    alternatives: Vec<&'a Map<String, Value>>,
    is_secret: bool,
}

impl<'a> Resolved<'a> {
    fn of(root: &'a Value, schema: &'a Value) -> Self {
        let mut resolved = Self { about: String::new(), alternatives: Vec::new(), is_secret: false };
        let mut waiting = vec![schema];
        let mut followed = 0;
        while let Some(Value::Object(of)) = waiting.pop() {
            if let Some(Value::String(about)) = of.get("description")
                && resolved.about.is_empty()
            {
                resolved.about.clone_from(about);
            }
            resolved.is_secret |= of.get("writeOnly") == Some(&Value::Bool(true));
            if let Some(Value::String(reference)) = of.get("$ref") {
                followed += 1;
                let found = reference.strip_prefix('#').and_then(|at| root.pointer(at));
                waiting.extend(found.filter(|_| followed <= MOST_REFERENCES));
                continue;
            }
            let several = ["anyOf", "allOf"].iter().find_map(|key| of.get(*key)?.as_array());
            match several {
                Some(several) if followed <= MOST_REFERENCES => {
                    followed += 1;
                    waiting.extend(several.iter().rev());
                }
                _ if of.get("type").is_some_and(|of| of == "null") => {}
                _ => resolved.alternatives.push(of),
            }
        }
        resolved
    }

    fn of_type(&self, name: &str) -> bool {
        let is =
            |of: &Value| of == name || of.as_array().is_some_and(|all| all.iter().any(|one| one == name));
        self.alternatives.iter().any(|schema| schema.get("type").is_some_and(is))
    }

    /// The kind of flag; `None` if the field is given as JSON only.
    fn kind(&self, root: &Value) -> Option<Kind> {
        let [schema] = self.alternatives.as_slice() else { return None };
        let types = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => {
                several.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect()
            }
            _ => Vec::new(),
        };
        if self.is_secret {
            let scalar = ["string", "integer", "number"];
            return types.iter().all(|one| scalar.contains(one)).then_some(Kind::Secret);
        }
        if let Some(choices) = choices(schema) {
            return Some(Kind::Choice(choices));
        }
        let bound = |key| schema.get(key).and_then(Value::as_number).and_then(|number| number.as_i128());
        match types.as_slice() {
            ["string"] if schema.get("format").is_some_and(|format| format == "id") => Some(Kind::Id),
            ["string"] => Some(Kind::Text),
            ["integer"] => Some(Kind::Integer { least: bound("minimum"), most: bound("maximum") }),
            ["number"] => Some(Kind::Number),
            ["boolean"] => Some(Kind::Bool),
            ["array"] => {
                let item = Resolved::of(root, schema.get("items")?);
                let kind = if item.is_secret { None } else { item.kind(root) };
                kind.filter(|kind| !matches!(kind, Kind::List(_))).map(|kind| Kind::List(Box::new(kind)))
            }
            _ => None,
        }
    }
}

/// The values of an enum without fields.
fn choices(schema: &Map<String, Value>) -> Option<Vec<String>> {
    let texts = |values: &[Value]| -> Option<Vec<String>> {
        values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
    };
    if let Some(Value::Array(values)) = schema.get("enum") {
        let values: Vec<_> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        return texts(&values);
    }
    if let Some(Value::String(only)) = schema.get("const") {
        return Some(vec![only.clone()]);
    }
    let several = schema.get("oneOf")?.as_array()?;
    let all: Option<Vec<_>> = several.iter().map(|one| choices(one.as_object()?)).collect();
    all.map(|all| all.concat())
}

fn number(text: &str) -> Option<Value> {
    match serde_json::from_str(text.trim()) {
        Ok(Value::Number(number)) => Some(Value::Number(number)),
        _ => None,
    }
}

impl Kind {
    pub(super) fn value_name(&self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Id => "ID",
            Self::Choice(_) => "CHOICE",
            Self::Integer { .. } | Self::Number => "NUMBER",
            Self::Bool => "true|false",
            Self::Secret => "PATH",
            Self::List(item) => item.value_name(),
        }
    }

    /// The value of a flag with this text.
    pub(super) fn parse(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text | Self::Secret => Ok(text.into()),
            Self::Id => {
                let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
                let is_hex =
                    (1..=16).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                if is_hex {
                    Ok(text.into())
                } else {
                    Err("is no id; write 0x and up to 16 hex digits".to_owned())
                }
            }
            Self::Choice(choices) if choices.iter().any(|choice| choice == text) => Ok(text.into()),
            Self::Choice(choices) => Err(format!("is none of {}", choices.join(", "))),
            Self::Integer { least, most } => {
                let (number, value) =
                    text.parse::<i128>().ok().zip(number(text)).ok_or("is no whole number")?;
                match (least, most) {
                    (Some(least), _) if number < *least => Err(format!("is less than {least}")),
                    (_, Some(most)) if number > *most => Err(format!("is more than {most}")),
                    _ => Ok(value),
                }
            }
            Self::Number => number(text).ok_or_else(|| "is no number".to_owned()),
            Self::Bool => match text {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Err("is neither true nor false".to_owned()),
            },
            // Each item is parsed for itself.
            Self::List(item) => item.parse(text),
        }
    }
}
