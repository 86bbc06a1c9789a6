//! JSON as it was written: numbers by their digits, objects with all their members, in order, also those given twice.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// A JSON value. There is no `Debug`: it may hold secrets, and its text is overwritten when it is dropped.
#[derive(Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    /// The digits, as JSON writes numbers.
    Number(String),
    Text(Zeroizing<String>),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }

    /// What it is, for people.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads a JSON text; its nesting is limited (to 128) by serde_json.
pub(crate) fn parse(json: &str) -> serde_json::Result<Tree> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let tree = Node.deserialize(&mut reader)?;
    reader.end()?;
    Ok(tree)
}

/// A value.
struct Node;

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Node)? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = object.next_key_seed(Key)? {
            let name = match key {
                KeyIs::Name(name) => name,
                KeyIs::Number => return object.next_value::<String>().map(Tree::Number),
            };
            members.push((name, object.next_value_seed(Node)?));
        }
        Ok(Tree::Object(members))
    }
}

/// The name of an object's member, or the sign that there is no object, but a number.
///
/// With `arbitrary_precision` serde_json hands a number that is no integer of 64 bits over as an object with one member of
/// a private name. Somebody could write that name, and would have a number read from it. But asked for bytes, serde_json gives bytes for a name
/// that stands in the text, and text for its own sign.
struct Key;

enum KeyIs {
    Name(String),
    Number,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = KeyIs;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<KeyIs, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = KeyIs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<KeyIs, E> {
        match str::from_utf8(name) {
            Ok(name) => Ok(KeyIs::Name(name.to_owned())),
            Err(_) => Err(E::custom("a name is not Unicode")),
        }
    }

    fn visit_str<E>(self, _sign: &str) -> Result<KeyIs, E> {
        Ok(KeyIs::Number)
    }
}
