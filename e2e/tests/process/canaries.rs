//! No error text shows a value of a sealed config. These tests put a canary, a recognizable value, into each field of the
//! configs of all linked schemas. The program refuses these configs, and none of its output contains a canary.
//!
//! The configs are made from the example of each schema, so new schemas are covered automatically.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use app_config::ConfigSchema;
use app_config::author::{example, from_json};
use app_config::codec::marshal;
use app_core::prelude::ServiceId;
use app_metrics::METRICS_SERVICE_ID;
use app_sealing::{ConfigIdentity, seal};
use nix::sys::signal::Signal;
use serde_json::Value;
use svc_example as _;

use crate::{files::Configs, http::get};

/// The canary in texts and bytes.
const WORD: &str = "hunter2";

/// Beginning of the canary in base64.
const WORD_IN_BASE64: &str = "aHVudGVy";

/// Numeric canaries, one for each width. A field gets the first one that fits. Numbers of 8 bits are too short to recognize.
const NUMBERS: [u64; 3] = [13_579_246_801_357_924, 3_579_246_801, 64_913];

/// A way to break a config.
struct Variant {
    name: &'static str,
    text: &'static str,
    /// In base64: the canary, the canary with a zero byte, a PEM block of another kind, one with a wrong end, a damaged one.
    bytes: &'static str,
    /// Whether numbers are canaries, too. Otherwise they keep the value of the example.
    numbers: bool,
}

const VARIANTS: [Variant; 5] = [
    Variant { name: "bad texts and numbers", text: "hunter2 \u{fc}", bytes: "aHVudGVyMg==", numbers: true },
    Variant { name: "control characters", text: "hunter2\nhunter2", bytes: "aHVudGVyMgA=", numbers: true },
    Variant {
        name: "doubles",
        text: "hunter2",
        bytes: "LS0tLS1CRUdJTiBodW50ZXIyLS0tLS0KaHVudGVyMgotLS0tLUVORCBodW50ZXIyLS0tLS0K",
        numbers: false,
    },
    Variant {
        name: "PEM of another kind",
        text: "__hunter2",
        bytes: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmFIVnVkR1Z5TWc9PQotLS0tLUVORCBodW50ZXIyLS0tLS0K",
        numbers: true,
    },
    Variant {
        name: "damaged PEM",
        text: "hunter2:99999",
        bytes: "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmFIVnVkR1Z5TWc9PQotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==",
        numbers: false,
    },
];

/// A config of a schema with a canary in every possible field, and with each list element twice.
fn config(schema: &ConfigSchema, variant: &Variant) -> Vec<u8> {
    let of = schema.struct_schema().unwrap();
    let takes = |json: &Value| from_json(of, &json.to_string(), None).is_ok();
    let mut json: Value = serde_json::from_str(&example(of)).unwrap();
    // In an example, bytes are the name of a file.
    each_leaf(&mut json, &mut |leaf| {
        if leaf.as_str().is_some_and(|text| text.starts_with('@')) {
            *leaf = variant.bytes.into();
        }
    });
    assert!(takes(&json), "{schema:?}: {json:#}");
    let mut candidates: Vec<Value> = vec![variant.text.into()];
    if variant.numbers {
        candidates.extend(NUMBERS.map(Value::from));
    }
    let mut leaves = 0;
    each_leaf(&mut json, &mut |_| leaves += 1);
    for index in 0..leaves {
        let with = |candidate: &Value| {
            let mut changed = json.clone();
            let mut at = 0;
            each_leaf(&mut changed, &mut |leaf| {
                if at == index && !leaf.is_null() {
                    *leaf = candidate.clone();
                }
                at += 1;
            });
            changed
        };
        if let Some(changed) = candidates.iter().map(with).find(|changed| takes(changed)) {
            json = changed;
        }
    }
    double(&mut json);
    let message =
        from_json(of, &json.to_string(), None).unwrap_or_else(|problems| panic!("{problems}\n{json:#}"));
    let mut content = Vec::new();
    marshal(&message, &mut content).unwrap();
    content
}

fn each_leaf(json: &mut Value, look: &mut impl FnMut(&mut Value)) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| each_leaf(item, look)),
        Value::Object(members) => members.values_mut().for_each(|member| each_leaf(member, look)),
        leaf => look(leaf),
    }
}

fn double(json: &mut Value) {
    match json {
        Value::Array(items) => {
            items.iter_mut().for_each(double);
            let again = items.clone();
            items.extend(again);
        }
        Value::Object(members) => members.values_mut().for_each(double),
        _ => {}
    }
}

fn put(path: &Path, content: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(0o400)).unwrap();
    fs::rename(&beside, path).unwrap();
}

/// Writes a config of each schema.
fn put_all(configs: &Configs, variant: &Variant, sealed_to: Option<&ConfigIdentity>) {
    for schema in ConfigSchema::linked() {
        let content = config(&schema, variant);
        put_one(configs, schema.service(), &content, sealed_to);
    }
}

fn put_one(configs: &Configs, service: ServiceId, content: &[u8], sealed_to: Option<&ConfigIdentity>) {
    match sealed_to {
        Some(identity) => put(&configs.path_of(service), &seal(content, &[identity.recipient()]).unwrap()),
        None => put(&configs.path_of(service), content),
    }
}

fn with_identity(configs: &Configs) -> ConfigIdentity {
    let identity = ConfigIdentity::generate();
    put(&configs.path().join("config.identity"), &identity.secret_text());
    identity
}

/// The canaries that a text contains.
fn canaries(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let word = |word: &str| lower.contains(&word.to_lowercase()).then(|| word.to_owned());
    let is_there = |number: u64| {
        let forms = [number.to_string(), format!("{number:x}")];
        let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| forms.iter().any(|form| word == form || word.strip_prefix("0x") == Some(form)))
    };
    let numbers = NUMBERS.into_iter().filter(|number| is_there(*number)).map(|number| number.to_string());
    [word(WORD), word(WORD_IN_BASE64)].into_iter().flatten().chain(numbers).collect()
}

#[track_caller]
fn has_none(text: &str, what: &str) {
    let found = canaries(text);
    assert!(found.is_empty(), "{what}: {found:?} in:\n{text}");
}

#[test]
fn no_value_of_a_sealed_config_is_in_what_a_start_and_a_check_say() {
    for variant in &VARIANTS {
        let configs = Configs::none();
        let identity = with_identity(&configs);
        put_all(&configs, variant, Some(&identity));
        for args in [&["--check"][..], &[], &["--log-format", "term"], &["config", "check"]] {
            let ended = if args.first() == Some(&"config") {
                crate::program::Program::service().args(args).args([configs.path()]).run()
            } else {
                configs.service().args(args).run()
            };
            ended.expect_code(78);
            has_none(&format!("{}{}", ended.stdout, ended.stderr), &format!("{}, {args:?}", variant.name));
        }
    }
}

#[test]
fn a_reload_of_bad_sealed_configs_shows_no_value_of_them() {
    let configs = Configs::any_port();
    let identity = with_identity(&configs);
    let content = fs::read(configs.path_of(METRICS_SERVICE_ID)).unwrap();
    put_one(&configs, METRICS_SERVICE_ID, &content, Some(&identity));
    let process = configs.service().start();
    let address = process.ready();
    for (round, variant) in (1..).zip(&VARIANTS) {
        put_all(&configs, variant, Some(&identity));
        process.signal(Signal::SIGHUP);
        process.records("the reload", round, |record| record["message"] == "configs were read again");
        for path in ["/readyz", "/livez", "/healthz", "/metrics", "/"] {
            let answer = get(address, path);
            has_none(&format!("{}{}", answer.head, answer.body), &format!("{}, {path}", variant.name));
        }
    }
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    assert!(ended.stderr.contains("the value in effect stays"), "{}", ended.stderr);
    has_none(&format!("{}{}", ended.stdout, ended.stderr), "the log");
}

#[test]
fn a_plain_config_shows_its_author_what_is_wrong() {
    let found: Vec<_> = VARIANTS
        .iter()
        .flat_map(|variant| {
            let configs = Configs::none();
            put_all(&configs, variant, None);
            let ended = configs.service().args(["--check"]).run();
            ended.expect_code(78);
            canaries(&ended.stderr)
        })
        .collect();
    // So the canaries are in fields that error texts come from.
    assert!(found.iter().any(|canary| canary == WORD), "{found:?}");
    assert!(found.iter().any(|canary| *canary == NUMBERS[1].to_string()), "{found:?}");
}
