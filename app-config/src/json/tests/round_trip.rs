//! Valid JSON stays the same through a file and back. Other JSON does no harm.

use capnp::schema_capnp::{node, value};
use proptest::prelude::*;
use quota_schema::quota_capnp::quota_spec;
use schema::health_capnp::health_check_service_spec;
use schema::metrics_capnp::metrics_service_spec;

use super::*;
use crate::author::diff;
use crate::json::samples::{Dice, all_types, message, type_of};

#[test]
fn json_has_one_form_ids_in_hex_and_defaults_left_out() {
    let schema = type_of::<metrics_service_spec::Owned>();
    let json = r#"{"maxSeriesPerVector": 7, "httpPort": 4444, "bindAddress": "", "metricSpecs": {
        "gaugeSpecs": [], "histogramSpecs": [{"metricId": 18446744073709551615, "serviceId": "0x0A",
        "buckets": [5e-1, 1, 1e16]}]}}"#;
    let expected = r#"{
  "metricSpecs": {
    "gaugeSpecs": [],
    "histogramSpecs": [
      {
        "serviceId": "0xa",
        "metricId": "0xffffffffffffffff",
        "buckets": [0.5, 1.0, 1e16]
      }
    ]
  },
  "bindAddress": "",
  "maxSeriesPerVector": 7
}
"#;
    let opened = json_of(schema, &read_json(schema, json));
    assert_eq!(opened, expected);
    assert_eq!(json_of(schema, &read_json(schema, &opened)), expected);
}

#[test]
fn unions_groups_and_enums_survive() {
    let schema = type_of::<node::Owned>();
    for json in [
        "{}\n",
        "{\n  \"enum\": {}\n}\n",
        "{\n  \"struct\": {\n    \"preferredListEncoding\": \"byte\",\n    \"isGroup\": true\n  }\n}\n",
        "{\n  \"const\": {\n    \"type\": {\n      \"bool\": true\n    },\n    \"value\": {}\n  }\n}\n",
    ] {
        assert_eq!(json_of(schema, &read_json(schema, json)), json);
    }
    // The first member of the union is the default, so it is left out.
    assert_eq!(json_of(schema, &read_json(schema, r#"{"file": true}"#)), "{}\n");
}

#[test]
fn floats_without_a_number_have_names() {
    let schema = type_of::<value::Owned>();
    for name in ["NaN", "Infinity", "-Infinity"] {
        for field in ["float32", "float64"] {
            let json = format!("{{\n  \"{field}\": \"{name}\"\n}}\n");
            assert_eq!(json_of(schema, &read_json(schema, &json)), json);
        }
    }
}

#[test]
fn a_message_of_another_type_has_no_json() {
    let quota = read_json(type_of::<quota_spec::Owned>(), r#"{"rules": [{"name": "a"}]}"#);
    let problems = to_json(type_of::<health_check_service_spec::Owned>(), framed(&quota)).unwrap_err();
    assert!(problems.to_string().contains("has data that this build has no field for"), "{problems}");
}

#[test]
fn pointers_to_anything_have_no_json() {
    let mut message = Builder::new_default();
    let list = message.init_root::<value::Builder<'_>>().init_list();
    list.initn_as::<capnp::text_list::Builder<'_>>(1).set(0, "x");
    let problems = to_json(type_of::<value::Owned>(), framed(&message)).unwrap_err();
    assert_eq!(problems.to_string(), "list: is of a type that JSON can't express");
}

/// JSON that is similar to configs: names and values of the types, in right and in wrong places.
fn like_a_config() -> impl Strategy<Value = String> {
    let mut names = vec!["", "$serde_json::private::Number", "x"];
    for schema in all_types() {
        names.extend(members(schema).unwrap().iter().map(|member| member.name));
    }
    names.extend([
        "counterSpecs",
        "histogramSpecs",
        "buckets",
        "name",
        "permits",
        "key",
        "serviceId",
        "type",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,5})?",
        prop_oneof!["0x[0-9a-f]{0,20}", "@.{0,5}", "[A-Za-z0-9+/]{0,12}={0,2}", ".{0,10}"]
            .prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        let name = proptest::sample::select(names.clone());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((name, inner), 0..6).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name:?}: {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_message_survives_json_and_file(seed: u64) {
        for schema in all_types() {
            let written = message(schema, &mut Dice(seed));
            let json = json_of(schema, &written);
            let read = read_json(schema, &json);
            prop_assert_eq!(&json_of(schema, &read), &json);
            let changes = diff(schema, Some(framed(&written)), Some(framed(&read))).unwrap();
            prop_assert!(changes.is_empty(), "{:?}\n{}", changes, json);
        }
    }

    #[test]
    fn damaged_json_of_a_message_does_no_harm(seed: u64, at: prop::sample::Index, by in ".{0,3}") {
        for schema in all_types() {
            let whole = json_of(schema, &message(schema, &mut Dice(seed)));
            let starts: Vec<_> = whole.trim_end().char_indices().map(|(start, _)| start).collect();
            let start = *at.get(&starts);
            prop_assert!(from_json(schema, &whole[..start], None).is_err());
            let mut damaged = whole.clone();
            let end = whole.ceil_char_boundary(start + by.len().max(1));
            damaged.replace_range(start..end.min(whole.len()), &by);
            if let Ok(read) = from_json(schema, &damaged, None) {
                json_of(schema, &read);
            }
        }
    }

    #[test]
    fn whatever_is_accepted_can_be_read_back(json in like_a_config()) {
        for schema in all_types() {
            if let Ok(read) = from_json(schema, &json, None) {
                let opened = json_of(schema, &read);
                prop_assert_eq!(&json_of(schema, &read_json(schema, &opened)), &opened);
            }
        }
    }

    #[test]
    fn any_text_does_no_harm(text in ".{0,200}") {
        for schema in all_types() {
            let _either = from_json(schema, &text, None);
        }
    }
}
