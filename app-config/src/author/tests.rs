//! Explanations of configs, and files from JSON.

use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use capnp::schema_capnp::node;
use quota_schema::quota_capnp::quota_spec;
use schema::metrics_capnp::metrics_service_spec;
use schema::rpc_capnp::{rpc_client_spec, rpc_server_spec};

use super::*;
use crate::codec::{Message, decode, marshal};
use crate::docs::{comment, example_in};
use crate::json::samples::{all_types, type_of};
use crate::json::{from_json, parse, to_json};
use crate::problems::Problems;
use crate::schema::ConfigSchema;
use crate::value::Config;

/// Accepts rules that are not called "no".
struct Rules;

impl Config for Rules {
    const SERVICE: ServiceId = ServiceId::new(0xb5);
    type Schema = quota_spec::Owned;

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut rules = problems.at("rules");
        for (index, rule) in rules.value(spec.get_rules())?.iter().enumerate() {
            let mut rule_place = rules.index(index);
            let mut name = rule_place.field("name");
            if name.text(rule.get_name())? == "no" {
                name.add("must not be \"no\"");
            }
        }
        Some(Self)
    }

    fn without_file() -> Self {
        Self
    }
}

// As the quota service does in its program.
inventory::submit! { SchemaDocs(quota_schema::DOCS) }

const RULES: ConfigSchema = ConfigSchema::of::<Rules>("Rules, by name.", "here", 1);

fn message(schema: capnp::schema::StructSchema, json: &str) -> Message {
    let message = from_json(schema, json, None).unwrap_or_else(|problems| panic!("{problems}"));
    let mut file = Vec::new();
    marshal(&message, &mut file).unwrap();
    decode(&file).unwrap()
}

#[test]
fn compiling_and_decompiling_are_the_reverse_of_each_other() {
    let json = "{\n  \"rules\": [\n    {\n      \"name\": \"a\",\n      \"permits\": 5\n    }\n  ]\n}\n";
    let file = compile(&RULES, json, None).unwrap();
    assert_eq!(decompile(&RULES, decode(&file).unwrap()).unwrap(), json);
}

#[test]
fn what_the_service_refuses_is_not_compiled() {
    let json = r#"{"rules": [{"name": "no"}, {"name": "a"}, {"name": "no"}]}"#;
    let problems = compile(&RULES, json, None).unwrap_err();
    assert_eq!(problems.to_string(), "rules[0].name: must not be \"no\"; rules[2].name: must not be \"no\"");
    let problems = compile(&RULES, r#"{"rules": 1}"#, None).unwrap_err();
    assert_eq!(problems.to_string(), "rules: expected a list, found a number");
}

#[test]
fn a_file_beyond_the_limit_of_files_is_not_compiled() {
    // Random digits, which do not compress.
    let mut dice = crate::json::samples::Dice(1);
    let name: String = (0..700_000).map(|_| char::from(b' ' + 3 + dice.below(56) as u8)).collect();
    let problems = compile(&RULES, &format!(r#"{{"rules": [{{"name": "{name}"}}]}}"#), None).unwrap_err();
    assert!(problems.to_string().ends_with(" bytes, more than the 512000 that are allowed"), "{problems}");
}

#[test]
fn an_explanation_has_type_default_bounds_and_meaning_of_every_field() {
    let text = explain(&RULES);
    let expected = "\
config 0xb5
Rules, by name.

Config of the quota service (0xce1f32c680e1ef0b): the rules for granting permits.

rules: a list of objects
    The rules. Default, without a config file: one rule \"default\" with 100 permits per second.
    Bounds: at least one; no name twice.
    A rate limit. Each key has its own bucket of permits, which fills steadily up to the burst.

rules[].name: text
";
    assert!(text.starts_with(expected), "{text}");
    let field = "rules[].periodMillis: a whole number from 0 to 4294967295, default 1000\n    The period, in";
    assert!(text.contains(field), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn every_field_of_our_configs_is_explained() {
    for schema in all_types().into_iter().take(5) {
        let fields = fields(schema);
        assert!(!fields.is_empty());
        for field in fields {
            assert!(!field.meaning.is_empty(), "{}", field.path);
        }
    }
}

#[test]
fn types_that_contain_themselves_and_unions_are_explained() {
    let fields = fields(type_of::<node::Owned>());
    let of = |path: &str| fields.iter().find(|field| field.path == path).unwrap();
    let encoding = of("struct.preferredListEncoding");
    assert!(encoding.takes.starts_with("one of empty, bit,"), "{encoding:?}");
    assert_eq!(of("enum").instead_of, ["file", "struct", "interface", "const", "annotation"]);
    assert!(of("id").instead_of.is_empty());
    assert_eq!(of("const.type.list.elementType").takes, "an object");
}

#[test]
fn an_example_says_everything_and_can_be_read() {
    for schema in all_types() {
        let json = example(schema);
        let message = message(schema, &json);
        assert!(to_json(schema, message).is_ok());
    }
    for schema in all_types().into_iter().take(5) {
        let json = example(schema);
        for field in fields(schema) {
            let name = field.path.rsplit('.').next().unwrap();
            assert!(json.contains(&format!("\"{name}\": ")), "{name} is missing in {json}");
        }
    }
}

#[test]
fn examples_in_the_comments_of_schemas_are_json() {
    let mut count = 0;
    for (id, member, text) in schema::DOCS.iter().chain(quota_schema::DOCS) {
        assert_eq!(comment(*id, member), *text);
        if let Some(json) = example_in(text) {
            count += 1;
            assert!(parse(json).is_ok(), "{id:#x} {member}: {json}");
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn ids_in_an_example_differ() {
    let json = example(type_of::<metrics_service_spec::Owned>());
    let ids: Vec<_> = json.lines().filter(|line| line.contains("\"0x")).collect();
    let mut values: Vec<_> = ids.iter().map(|line| line.rsplit(": ").next().unwrap()).collect();
    values.sort_unstable();
    values.dedup_by(|a, b| a.trim_end_matches(',') == b.trim_end_matches(','));
    assert_eq!(values.len(), ids.len());
}

fn changes(schema: capnp::schema::StructSchema, before: Option<&str>, after: Option<&str>) -> Vec<String> {
    let message = |json: Option<&str>| json.map(|json| message(schema, json));
    let changes = diff(schema, message(before), message(after)).unwrap();
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_differs_is_listed_field_by_field() {
    let quota = type_of::<quota_spec::Owned>();
    let before = r#"{"rules": [{"name": "a", "permits": 1}, {"name": "b", "periodMillis": 5}]}"#;
    let after = r#"{"rules": [{"name": "a", "permits": 2, "maxKeys": 9}]}"#;
    assert_eq!(
        changes(quota, Some(before), Some(after)),
        [
            "rules: 2 elements -> 1 element",
            "rules[0].permits: 1 -> 2",
            "rules[0].maxKeys: 100000 -> 9",
            "rules[1].name: \"b\" -> none",
            "rules[1].periodMillis: 5 -> none",
        ]
    );
    assert_eq!(
        changes(quota, Some(r#"{}"#), Some(r#"{"rules": [{}, {"burst": 3}]}"#)),
        ["rules: 0 elements -> 2 elements", "rules[1].burst: none -> 3"]
    );
    assert!(changes(quota, Some(before), Some(before)).is_empty());
}

#[test]
fn no_file_stands_for_the_defaults_of_the_schema() {
    let metrics = type_of::<metrics_service_spec::Owned>();
    let same = r#"{"httpPort": 4444, "bindAddress": "", "metricSpecs": {"gaugeSpecs": []}}"#;
    assert!(changes(metrics, None, Some(same)).is_empty());
    assert!(changes(metrics, Some(same), None).is_empty());
    assert_eq!(
        changes(
            metrics,
            None,
            Some(r#"{"httpPort": 1, "metricSpecs": {"counterSpecs": [{"serviceId": 5}]}}"#)
        ),
        [
            "httpPort: 4444 -> 1",
            "metricSpecs.counterSpecs: none -> 1 element",
            "metricSpecs.counterSpecs[0].serviceId: none -> \"0x5\"",
        ]
    );
}

#[test]
fn secrets_are_shown_as_digests() {
    let server = type_of::<rpc_server_spec::Owned>();
    let before = r#"{"serverCert": {"key": "c2VjcmV0"}, "caCert": "c2VjcmV0"}"#;
    let after = r#"{"serverCert": {"key": "aHVudGVyMg=="}, "maxConns": 5}"#;
    assert_eq!(
        changes(server, Some(before), Some(after)),
        [
            "serverCert.key: sha256 2bb80d53 (6 bytes) -> sha256 f52fbd32 (7 bytes)",
            "caCert: sha256 2bb80d53 (6 bytes) -> no bytes",
            "maxConns: 0 -> 5",
        ]
    );
    // The name `displayName` has no secret word. A number is no secret, even if its field is called `key`.
    let quota = type_of::<quota_spec::Owned>();
    let changed = changes(quota, Some(r#"{"rules": [{}]}"#), Some(r#"{"rules": [{"maxKeys": 5}]}"#));
    assert_eq!(changed, ["rules[0].maxKeys: 100000 -> 5"]);
    assert_eq!(changes(type_of::<rpc_client_spec::Owned>(), None, Some("{}")), [""; 0]);
}

#[test]
fn a_number_whose_default_is_0_is_0_in_an_example() {
    let json = example(type_of::<rpc_server_spec::Owned>());
    for line in ["\"maxConns\": 0", "\"threads\": 0", "\"maxClientMemoryBytes\": 0", "\"maxCalls\": 1024"] {
        assert!(json.contains(line), "{line}: {json}");
    }
}

struct Own;

impl Config for Own {
    const SERVICE: ServiceId = ServiceId::new(0x51);
    type Schema = rpc_server_spec::Owned;

    fn read(_: rpc_server_spec::Reader<'_>, _: &mut Problems) -> Option<Self> {
        Some(Self)
    }

    fn example(domain: DomainId, app: AppId) -> Option<String> {
        let name = format!("{domain:#x} {app:#x}");
        Some(format!(r#"{{ "bindAddress": "{name}", "limits": {{ "maxCalls": 7 }}, "grants": [] }}"#))
    }

    fn without_file() -> Self {
        Self
    }
}

#[test]
fn the_example_of_a_service_has_its_own_values_and_the_ids_of_the_application() {
    let schema = ConfigSchema::of::<Own>("doc", "file", 1);
    let json = example_of(&schema, DomainId::new(7), AppId::new(8)).unwrap();
    let own = ["\"bindAddress\": \"0x7 0x8\"", "\"maxCalls\": 7", "\"grants\": []"];
    let of_schema = ["\"maxMessageBytes\": 1048576", "\"serverCert\": {"];
    for part in own.into_iter().chain(of_schema) {
        assert!(json.contains(part), "{part}: {json}");
    }
    let unknown = example_of(&schema, DomainId::new(0), AppId::new(0)).unwrap();
    assert!(unknown.contains("\"0xd0 0xa0\""), "{unknown}");
    // It can be read.
    let _message = message(schema.struct_schema().unwrap(), &json);
}
