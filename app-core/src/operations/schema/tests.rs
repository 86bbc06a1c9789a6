//! Unknown fields and secrets, for every shape that a type may have.
#![allow(dead_code, reason = "only the schemas count")]

use std::collections::BTreeMap;

use app_ids::ServiceId;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::operations::Secret;

#[derive(Deserialize, JsonSchema)]
struct All {
    rule: String,
    inner: Option<Inner>,
    list: Vec<Inner>,
    pair: Option<(Inner, u8)>,
    map: BTreeMap<String, Inner>,
    any: Value,
    choice: Choice,
    tagged: Option<Tagged>,
    tree: Option<Box<Tree>>,
    id: Option<ServiceId>,
    #[serde(flatten)]
    flat: Flat,
}

#[derive(Deserialize, JsonSchema)]
struct Inner {
    x: u8,
    password: Option<Secret<String>>,
}

#[derive(Deserialize, JsonSchema)]
struct Flat {
    flattened: Option<u8>,
}

#[derive(Deserialize, JsonSchema)]
struct Tree {
    left: Option<Box<Tree>>,
    pin: Option<Secret<u32>>,
}

#[derive(Deserialize, JsonSchema)]
enum Choice {
    Unit,
    Struct { y: u8, token: Option<Secret<String>> },
    Newtype(Inner),
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind")]
enum Tagged {
    A { a: u8 },
    B { b: u8 },
}

fn unknown_of(value: &Value) -> Option<String> {
    unknown_field(&of_arguments::<All>(), value)
}

#[test]
fn fields_that_the_type_has_are_known_in_every_shape() {
    let inner = json!({ "x": 1, "password": "p" });
    let all = json!({
        "rule": "r", "inner": inner, "list": [inner, inner], "pair": [inner, 2], "map": { "any name": inner },
        "any": { "what": { "ever": [1] } }, "choice": { "Struct": { "y": 1, "token": "t" } },
        "tagged": { "kind": "B", "b": 1 }, "tree": { "left": { "left": { "pin": 7 } } }, "id": "0x7", "flattened": 1,
    });
    assert_eq!(unknown_of(&all), None);
    for choice in [json!("Unit"), json!({ "Newtype": inner })] {
        assert_eq!(unknown_of(&json!({ "choice": choice })), None);
    }
    // Wrong types are found elsewhere.
    assert_eq!(unknown_of(&json!({ "rule": { "a": 1 } })), None);
    assert_eq!(unknown_of(&json!([1])), None);
}

#[test]
fn an_unknown_field_is_named_with_its_path() {
    for (value, says) in [
        (json!({ "rules": 1 }), "arguments.rules: unknown field; did you mean rule?"),
        (json!({ "inner": { "why": 1 } }), "arguments.inner.why: unknown field; the fields are password, x"),
        (json!({ "list": [{}, { "xx": 1 }] }), "arguments.list[1].xx: unknown field; did you mean x?"),
        (json!({ "pair": [{ "nothing": 1 }] }), "arguments.pair[0].nothing: unknown field"),
        (json!({ "map": { "m": { "nothing": 1 } } }), "arguments.map.m.nothing: unknown field"),
        (json!({ "choice": { "Struct": { "why": 1 } } }), "arguments.choice.Struct.why: unknown field"),
        (json!({ "choice": { "Other": 1 } }), "arguments.choice.Other: unknown field"),
        (json!({ "tagged": { "kind": "A", "nothing": 1 } }), "arguments.tagged.nothing: unknown field"),
        (json!({ "tree": { "left": { "right": 1 } } }), "arguments.tree.left.right: unknown field"),
    ] {
        let found = unknown_of(&value).unwrap_or_default();
        assert!(found.starts_with(says), "{value}: {found}");
    }
    let long = unknown_of(&json!({ ("n".repeat(100_000)): 1 })).unwrap();
    assert!(long.len() < 500, "{long}");
    assert_eq!(
        unknown_field(&no_arguments(), &json!({ "x": 1 })).unwrap(),
        "arguments.x: unknown field; there are no fields"
    );
}

#[test]
fn secrets_are_hidden_in_every_shape() {
    let inner = json!({ "x": 1, "password": "hunter2" });
    let value = json!({
        "rule": "r", "inner": inner, "list": [inner], "pair": [inner, 2], "map": { "m": inner },
        "choice": { "Struct": { "y": 1, "token": "hunter2" } }, "tree": { "left": { "pin": 77_123 } },
        "pasword": "hunter2",
    });
    let schema = of_arguments::<All>();
    let hidden = hide_secrets(&schema, &value).to_string();
    assert!(!hidden.contains("hunter2") && !hidden.contains("77123"), "{hidden}");
    assert_eq!(hidden.matches(SECRET).count(), 6, "{hidden}");
    assert!(
        hidden.contains(r#""rule":"r""#) && hidden.contains(r#""pasword":"(unknown field)""#),
        "{hidden}"
    );
    let texts = secret_texts(&schema, &value);
    assert_eq!(texts.iter().filter(|text| *text == "hunter2").count(), 5);
    assert!(texts.contains(&"77123".to_owned()) && texts.len() == 6, "{texts:?}");
}

#[test]
fn the_schema_of_an_id_is_a_hex_string() {
    let schema = of_arguments::<All>();
    let id = &schema["properties"]["id"];
    assert!(id.to_string().contains("\"format\":\"id\""), "{id}");
}
