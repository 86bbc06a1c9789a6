//! What operators see of configs, and what they do not.

use app_core::prelude::ServiceId;
use quota_schema::quota_capnp::quota_spec;
use schema::rpc_capnp::rpc_server_spec;

use super::*;
use crate::problems::Problems;

macro_rules! config {
    ($name:ident, $schema:ident, $without:expr) => {
        struct $name;

        impl Config for $name {
            const SERVICE: ServiceId = ServiceId::new(0xb5);
            type Schema = $schema::Owned;
            const WITHOUT_FILE: Option<&'static str> = $without;

            fn read(_: $schema::Reader<'_>, _: &mut Problems) -> Option<Self> {
                Some(Self)
            }

            fn without_file() -> Self {
                Self
            }
        }
    };
}

config! { Rules, quota_spec, Some(r#"{"rules": [{"name": "default"}]}"#) }
config! { Server, rpc_server_spec, None }

fn fields<C: Config>(json: &str) -> Fields {
    let message = from_json(struct_of::<C>().unwrap(), json, None).unwrap_or_else(|wrong| panic!("{wrong}"));
    Fields::of_message::<C, _>(&message.get_segments_for_output())
}

fn find<'a>(fields: &'a Fields, path: &str) -> &'a FieldInEffect {
    let found = fields.fields.iter().find(|field| field.path == path);
    found.unwrap_or_else(|| panic!("{path} is not among {:?}", fields.fields))
}

#[test]
fn each_field_is_there_with_its_value_and_whether_the_file_sets_it() {
    let fields = fields::<Rules>(r#"{"rules": [{"name": "a", "permits": 5}]}"#);
    let told: Vec<_> =
        fields.fields.iter().map(|f| (f.path.as_str(), f.value.clone(), f.is_default)).collect();
    let plain = |text: &str| FieldValue::Plain(text.to_owned());
    let expected = [
        ("rules", FieldValue::Elements(1), false),
        ("rules[0].name", plain("\"a\""), false),
        ("rules[0].permits", plain("5"), false),
        ("rules[0].periodMillis", plain("1000"), true),
        ("rules[0].burst", plain("0"), true),
        ("rules[0].maxKeys", plain("100000"), true),
        ("rules[0].scope", plain("\"instance\""), true),
        ("rules[0].whenAway", plain("\"deny\""), true),
        ("rules[0].instances", plain("0"), true),
    ];
    assert_eq!(told, expected);
}

#[test]
fn no_secret_is_shown_and_its_length_is() {
    let secret = "aHVudGVyMg=="; // "hunter2"
    let json =
        format!(r#"{{"serverCert": {{"key": "{secret}", "cert": "{secret}"}}, "caCert": "{secret}"}}"#);
    let fields = fields::<Server>(&json);
    for path in ["serverCert.key", "serverCert.cert", "caCert"] {
        assert_eq!(find(&fields, path).value, FieldValue::Secret(7), "{path}");
    }
    assert_eq!(find(&fields, "crl").value, FieldValue::Unset);
    let all = format!("{fields:?}");
    assert!(!all.contains("hunter2") && !all.contains(secret), "{all}");
}

#[test]
fn a_field_that_stays_the_same_keeps_its_time() {
    let mut before = fields::<Server>(r#"{"caCert": "YQ==", "crl": "YQ==", "bindAddress": "::1"}"#);
    let early = SystemTime::UNIX_EPOCH;
    before.fields = before.fields.iter().map(|f| FieldInEffect { since: early, ..f.clone() }).collect();
    // The lengths are the same, so only the content tells.
    let after = fields::<Server>(r#"{"caCert": "YQ==", "crl": "Yg==", "bindAddress": "::2"}"#);
    let after = after.instead_of(&before);
    assert_eq!(find(&after, "caCert").since, early);
    assert!(find(&after, "crl").since > early && find(&after, "bindAddress").since > early);
}

#[test]
fn without_a_file_the_default_of_the_service_is_shown() {
    let rules = Fields::without_file::<Rules>();
    assert_eq!(find(&rules, "rules[0].name").value, FieldValue::Plain("\"default\"".to_owned()));
    assert!(rules.fields.iter().all(|field| field.is_default));
    assert!(Fields::without_file::<Server>().fields.is_empty());
}

#[test]
fn a_large_config_is_cut_and_the_rest_is_counted() {
    let rules: Vec<_> = (0..1_000).map(|n| format!(r#"{{"name": "{n}"}}"#)).collect();
    let fields = fields::<Rules>(&format!(r#"{{"rules": [{}]}}"#, rules.join(",")));
    assert_eq!((fields.fields.len(), fields.left_out), (MOST_FIELDS, 8_001 - MOST_FIELDS));
    let long = fields_of_long_name();
    let FieldValue::Plain(text) = &find(&long, "rules[0].name").value else { panic!("{long:?}") };
    assert!(text.len() <= MOST_VALUE + 2 && text.ends_with(".."));
}

fn fields_of_long_name() -> Fields {
    fields::<Rules>(&format!(r#"{{"rules": [{{"name": "{}"}}]}}"#, "ä".repeat(2_000)))
}
