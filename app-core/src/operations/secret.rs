//! A secret in the arguments of an operation.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroize;

/// A field of an operation's arguments that nobody may see, such as a password.
///
/// - `Debug` and `Serialize` write `(secret)`. [`expose`](Self::expose) has the value.
/// - Its memory is overwritten when it is dropped.
/// - Audit records and errors do not show it.
/// - In the schema it is `writeOnly`, with the format `secret`. `appctl do` takes it from a file or from standard input only.
///
/// ```
/// use app_core::operations::Secret;
///
/// let password: Secret<String> = serde_json::from_str(r#""hunter2""#).unwrap();
/// assert_eq!(format!("{password:?}"), "(secret)");
/// assert_eq!(password.expose(), "hunter2");
/// ```
pub struct Secret<T: Zeroize>(T);

/// What stands in place of a secret.
const SHOWN: &str = "(secret)";

impl<T: Zeroize> Secret<T> {
    /// Hides a value.
    #[must_use]
    pub const fn new(secret: T) -> Self {
        Self(secret)
    }

    /// The value. Do not log it.
    #[must_use]
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl<T: Zeroize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SHOWN)
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: Zeroize + JsonSchema> JsonSchema for Secret<T> {
    // The mark stands where the field is, also in an `Option`.
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Secret_{}", T::schema_name()).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("app_core::Secret<{}>", T::schema_id()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.insert("writeOnly".to_owned(), Value::Bool(true));
        schema.insert("format".to_owned(), Value::String("secret".to_owned()));
        schema
    }
}

/// Overwrites every text in a JSON value.
pub(crate) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere() {
        let secret: Secret<String> = serde_json::from_str(r#""hunter2""#).unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), SHOWN);
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(secret)\"");
    }

    #[test]
    fn the_schema_marks_a_secret_also_where_it_may_be_missing() {
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only the schema counts")]
        struct Both {
            password: Secret<String>,
            old: Option<Secret<String>>,
        }
        let schema = schemars::schema_for!(Both).to_value();
        for field in ["password", "old"] {
            let schema = &schema["properties"][field];
            assert_eq!(
                (&schema["writeOnly"], &schema["format"]),
                (&true.into(), &"secret".into()),
                "{schema}"
            );
        }
    }
}
