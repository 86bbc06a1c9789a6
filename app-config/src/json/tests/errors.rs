//! Every problem of JSON, by its text.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use capnp::schema_capnp::{node, value};
use quota_schema::quota_capnp::quota_spec;
use schema::metrics_capnp::metrics_service_spec;
use schema::rpc_capnp::rpc_server_spec;

use super::*;
use crate::json::samples::type_of;

fn quota(json: &str) -> Vec<String> {
    problems(type_of::<quota_spec::Owned>(), json)
}

fn metrics(json: &str) -> Vec<String> {
    problems(type_of::<metrics_service_spec::Owned>(), json)
}

fn rpc(json: &str) -> Vec<String> {
    problems(type_of::<rpc_server_spec::Owned>(), json)
}

/// The problems of a union that has a member of each type.
fn of_value(json: &str) -> Vec<String> {
    problems(type_of::<value::Owned>(), json)
}

fn of_node(json: &str) -> Vec<String> {
    problems(type_of::<node::Owned>(), json)
}

#[test]
fn all_problems_of_a_text_come_at_once_with_their_paths() {
    let json = r#"{
        "httpPort": 65536,
        "bindAdress": "::1",
        "maxSeriesPerVector": null,
        "metricSpecs": {
            "counterSpecs": [
                {"serviceId": "0xe3054017c1b1d214", "metricId": 1, "help": "fine"},
                {"serviceId": "e305", "metricId": 18446744073709551616, "help": 5}
            ],
            "gaugeSpecs": {},
            "histogramSpecs": [{"buckets": [0.5, "1", 1e400]}]
        }
    }"#;
    assert_eq!(
        metrics(json),
        [
            "httpPort: must be from 0 to 65535, found 65536",
            "bindAdress: is no field here: did you mean bindAddress?",
            "maxSeriesPerVector: expected a whole number, found null: leave it out to have the default",
            "metricSpecs.counterSpecs[1].serviceId: must be hex text such as \"0x2a\", or a whole number, \
             found \"e305\"",
            "metricSpecs.counterSpecs[1].metricId: must be from 0 to 18446744073709551615, found \
             18446744073709551616",
            "metricSpecs.counterSpecs[1].help: expected text, found a number",
            "metricSpecs.gaugeSpecs: expected a list, found an object",
            "metricSpecs.histogramSpecs[0].buckets[1]: expected a number, found text",
            "metricSpecs.histogramSpecs[0].buckets[2]: must be at most 1.7976931348623157e308 and at least \
             -1.7976931348623157e308, found 1e400",
        ]
    );
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    assert_eq!(quota(""), ["is not JSON: the text ends where a value is expected at line 1 column 1"]);
    assert_eq!(
        quota("{\n  rules: []}"),
        ["is not JSON: expected the name of a member in quotes at line 2 column 3"]
    );
    assert_eq!(quota("{} {}"), ["is not JSON: more text follows the value at line 1 column 4"]);
    assert_eq!(quota("{\"rules\": [01]}"), ["is not JSON: a number has a zero in front at line 1 column 13"]);
    assert_eq!(
        quota(r#"{"\ud800": 1}"#),
        ["is not JSON: a text has half of a surrogate pair at line 1 column 9"]
    );
    let marked = ["begins with a byte order mark, as some editors write it: save it as UTF-8 without one"];
    assert_eq!(quota("\u{feff}{}"), marked);
    let deep = "[".repeat(200);
    assert_eq!(
        quota(&deep),
        ["is not JSON: lists and objects are nested more than 127 deep at line 1 column 128"]
    );
}

#[test]
fn what_is_too_large_is_refused() {
    let json = " ".repeat(MAX_JSON_BYTES + 1);
    assert_eq!(quota(&json), ["is larger than 8388608 bytes, the most that is read as JSON"]);
    let rules = vec!["{}"; 50_000].join(",");
    assert_eq!(
        quota(&format!(r#"{{"rules": [{rules}]}}"#)),
        ["rules: makes the config larger than 1 MiB, the most that it may be"]
    );
    let json = format!(r#"{{"bindAddress": "{0}", "metricSpecs": {{}}}}"#, "x".repeat(1_100_000));
    assert_eq!(metrics(&json), ["bindAddress: makes the config larger than 1 MiB, the most that it may be"]);
}

#[test]
fn the_root_is_an_object() {
    assert_eq!(quota("[]"), ["expected an object, found a list"]);
    assert_eq!(quota("null"), ["expected an object, found null: leave it out to have the default"]);
    assert_eq!(quota("1"), ["expected an object, found a number"]);
}

#[test]
fn a_field_given_twice_is_refused() {
    assert_eq!(
        quota(r#"{"rules": [{"name": "a", "permits": 1, "name": "b"}], "rules": []}"#),
        ["rules[0].name: is given twice", "rules: is given twice"]
    );
}

#[test]
fn an_unknown_field_is_refused_and_the_one_that_was_meant_named() {
    assert_eq!(
        quota(r#"{"rules": [{"period_millis": 1, "zzz": 1}]}"#),
        [
            "rules[0].period_millis: is no field here: did you mean periodMillis?",
            "rules[0].zzz: is no field here; there are: name, permits, periodMillis, burst, maxKeys, scope, whenAway, instances",
        ]
    );
    assert_eq!(
        quota(r#"{"a.b\n": 1, "": 1}"#),
        ["has no field \"a.b\\n\"; there are: rules", "has no field \"\"; there are: rules"]
    );
}

#[test]
fn the_private_name_that_numbers_have_in_serde_json_is_a_name_like_any_other() {
    assert_eq!(
        quota(r#"{"rules": [{"permits": {"$serde_json::private::Number": "5"}}]}"#),
        ["rules[0].permits: expected a whole number, found an object"]
    );
    assert_eq!(
        quota(r#"{"$serde_json::private::Number": "5"}"#),
        ["has no field \"$serde_json::private::Number\"; there are: rules"]
    );
}

#[test]
fn each_type_takes_its_own_values() {
    for (json, problem) in [
        (r#"{"bool": 1}"#, "bool: expected true or false, found a number"),
        (r#"{"bool": "true"}"#, "bool: expected true or false, found text"),
        (r#"{"void": false}"#, "void: expected true, found false"),
        (r#"{"void": null}"#, "void: expected true, found null: leave it out to have the default"),
        (r#"{"int8": -129}"#, "int8: must be from -128 to 127, found -129"),
        (r#"{"int16": 32768}"#, "int16: must be from -32768 to 32767, found 32768"),
        (r#"{"int32": 2147483648}"#, "int32: must be from -2147483648 to 2147483647, found 2147483648"),
        (
            r#"{"int64": 9223372036854775808}"#,
            "int64: must be from -9223372036854775808 to 9223372036854775807, found 9223372036854775808",
        ),
        (r#"{"uint8": 256}"#, "uint8: must be from 0 to 255, found 256"),
        (r#"{"uint8": -1}"#, "uint8: must be from 0 to 255, found -1"),
        (r#"{"uint8": 1.0}"#, "uint8: must be a whole number in plain digits, found 1.0"),
        (r#"{"uint8": 1e2}"#, "uint8: must be a whole number in plain digits, found 1e2"),
        (r#"{"uint16": true}"#, "uint16: expected a whole number, found true"),
        (r#"{"uint32": "5"}"#, "uint32: expected a whole number, found text"),
        (r#"{"uint64": 1.5}"#, "uint64: must be a whole number in plain digits, found 1.5"),
        (r#"{"uint64": []}"#, "uint64: expected hex text such as \"0x2a\", or a whole number, found a list"),
        (
            r#"{"uint64": "0x1ffffffffffffffff"}"#,
            "uint64: must have at most 16 hex digits, found \"0x1ffffffffffffffff\"",
        ),
        (
            r#"{"float32": 16777217}"#,
            "float32: must be a number that can be kept as it is (the nearest is 16777216.0), found 16777217",
        ),
        (r#"{"float64": {}}"#, "float64: expected a number, found an object"),
        (r#"{"float64": "nan"}"#, "float64: expected a number, found text"),
        (
            r#"{"float64": 1e-400}"#,
            "float64: must be a number that can be kept as it is (the nearest is 0.0), found 1e-400",
        ),
        (r#"{"text": 1}"#, "text: expected text, found a number"),
        (r#"{"data": 1}"#, "data: expected bytes (base64, or \"@\" and the name of a file), found a number"),
        (r#"{"list": []}"#, "list: is of a type that JSON can't express"),
    ] {
        assert_eq!(of_value(json), [problem], "{json}");
    }
}

#[test]
fn of_a_union_one_member_can_be_set() {
    assert_eq!(
        of_value(r#"{"text": "a", "bool": true, "void": true}"#),
        [
            "bool: can't be given together with text: it is one or the other",
            "void: can't be given together with text: it is one or the other",
        ]
    );
    assert_eq!(
        of_node(r#"{"file": true, "const": {"value": {"bool": true, "int8": 300}}}"#),
        ["const: can't be given together with file: it is one or the other"]
    );
}

#[test]
fn groups_and_enums_have_their_paths_and_names() {
    assert_eq!(
        of_node(r#"{"struct": {"preferredListEncoding": "bite", "isGroup": 0, "field": []}}"#),
        [
            "struct.preferredListEncoding: must be one of empty, bit, byte, twoBytes, fourBytes, eightBytes, \
             pointer, inlineComposite, found \"bite\": did you mean bit?",
            "struct.isGroup: expected true or false, found a number",
            "struct.field: is no field here: did you mean fields?",
        ]
    );
    assert_eq!(
        of_node(r#"{"struct": {"preferredListEncoding": 3}, "enum": 1}"#),
        [
            "struct.preferredListEncoding: expected text, found a number",
            "enum: can't be given together with struct: it is one or the other",
        ]
    );
}

#[test]
fn nesting_ends_where_the_reader_of_messages_ends() {
    // The type, its const, and then a type within each list.
    let nested = |depth: usize| {
        let open = r#"{"list": {"elementType": "#.repeat(depth);
        format!(r#"{{"const": {{"type": {open}{{"void": true}}{}}}}}"#, "}}".repeat(depth))
    };
    let schema = type_of::<node::Owned>();
    assert!(of_node(&nested(14)).is_empty());
    let message = read_json(schema, &nested(14));
    assert_eq!(of_node(&json_of(schema, &message)), [""; 0]);
    let path = format!("const.type{}", ".list.elementType".repeat(15));
    assert_eq!(of_node(&nested(15)), [format!("{path}: is nested more than 16 deep")]);
}

#[test]
fn bytes_are_base64_or_a_file_and_never_shown() {
    let bytes = "bytes (base64, or \"@\" and the name of a file)";
    for secret in ["aGk", "aGk*", "a Gk=", "aGl=", "hunter2!"] {
        assert_eq!(
            rpc(&format!(r#"{{"caCert": "{secret}"}}"#)),
            [format!("caCert: expected {bytes}, found text that is neither")]
        );
    }
    assert_eq!(
        rpc(r#"{"serverCert": {"key": "-----BEGIN PRIVATE KEY-----\nsecret"}}"#),
        ["serverCert.key: is PEM as text: put it into a file, and \"@\" and the name of the file here"]
    );
    assert_eq!(
        rpc(r#"{"caCert": "@ca.pem"}"#),
        ["caCert: names a file, and files are not read here: give the bytes as base64"]
    );
}

#[test]
fn a_file_is_read_from_the_folder_and_refused_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let schema = type_of::<rpc_server_spec::Owned>();
    let path = folder.path().join("ca.pem");
    let read = |name: &str| {
        let json = format!(r#"{{"caCert": "@{name}"}}"#);
        from_json(schema, &json, Some(folder.path())).map_err(|problems| problems.to_string())
    };
    let at = |name: &str| format!("\"{}\"", folder.path().join(name).display());

    assert_eq!(read("ca.pem").err().unwrap(), format!("caCert: there is no file {}", at("ca.pem")));
    fs::write(&path, b"\x00\xffbytes").unwrap();
    let message = read("ca.pem").unwrap();
    assert_eq!(json_of(schema, &message), "{\n  \"caCert\": \"AP9ieXRlcw==\"\n}\n");

    assert_eq!(read("").err().unwrap(), "caCert: has no file name after the \"@\"");
    assert_eq!(
        read(".").err().unwrap(),
        format!("caCert: the file is a directory, not a regular file ({})", at("."))
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(
        read("ca.pem").err().unwrap(),
        format!(
            "caCert: the file may be changed by others than its owner (mode 0666): chmod go-w ({})",
            at("ca.pem")
        )
    );
    fs::write(folder.path().join("big"), vec![0; 600_000]).unwrap();
    assert_eq!(
        read("big").err().unwrap(),
        format!(
            "caCert: the file is larger than 512000 bytes, the most that a config may have ({})",
            at("big")
        )
    );
}

#[test]
fn very_many_problems_are_counted() {
    let rules = vec![r#"{"nam": 1}"#; 1000].join(",");
    let problems = quota(&format!(r#"{{"rules": [{rules}]}}"#));
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[99], "rules[99].nam: is no field here: did you mean name?");
    assert_eq!(problems[100], "has 900 more problems");
}
