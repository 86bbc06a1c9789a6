//! Flags from schemas.

use serde_json::json;

use super::*;
use crate::answers::OperationInfo;
use crate::output::Hex;

fn described(effect: &'static str) -> Described {
    let arguments = json!({
        "type": "object",
        "required": ["rule", "of"],
        "properties": {
            "rule": { "type": "string", "description": "Name of the\nrule." },
            "max_keys": { "type": ["integer", "null"], "format": "uint8", "minimum": 0, "maximum": 255 },
            "ratio": { "type": "number" },
            "dry": { "type": "boolean", "default": false },
            "kind": { "anyOf": [{ "$ref": "#/$defs/Kind" }, { "type": "null" }] },
            "kinds": { "type": "array", "items": { "$ref": "#/$defs/Kind" } },
            "of": { "type": "string", "format": "id" },
            "password": { "type": ["string", "null"], "writeOnly": true, "format": "secret" },
            "pin": { "type": "integer", "writeOnly": true },
            "inner": { "$ref": "#/$defs/Inner" },
            "matrix": { "type": "array", "items": { "type": "array", "items": { "type": "integer" } } },
            "loop": { "$ref": "#/$defs/Loop" },
            "reason": { "type": "string" },
        },
        "$defs": {
            "Kind": { "description": "A kind.", "oneOf": [{ "const": "small", "type": "string" }, { "type": "string", "enum": ["large"] }] },
            "Inner": { "type": "object", "properties": { "x": { "type": "integer" } } },
            "Loop": { "$ref": "#/$defs/Loop" },
        },
    });
    Described {
        info: OperationInfo {
            service: Hex(7),
            service_name: "store".to_owned(),
            name: "put".to_owned(),
            about: "Stores.".to_owned(),
            role: "operate",
            effect,
            job: false,
            may_call: true,
        },
        arguments,
        results: json!({ "properties": { "stored": {} } }),
    }
}

fn read_line(effect: &'static str, line: &[&str]) -> Result<Read, String> {
    let all =
        super::super::command().try_get_matches_from(["do", "store", "put"].iter().chain(line)).unwrap();
    let words = Words::of(&all, &super::super::base()).map_err(|failure| failure.message)?;
    read(&described(effect), &words, &words.matches).map_err(|failure| failure.message)
}

fn arguments(line: &[&str]) -> Result<Value, String> {
    match read_line("reads", line)? {
        Read::CallFlags(given) => Ok(serde_json::from_str(&given.arguments).unwrap()),
        Read::Help(help) => panic!("{help}"),
    }
}

#[test]
fn flags_of_every_kind_become_arguments() {
    let line = [
        "--rule",
        "-x",
        "--max-keys",
        "255",
        "--ratio",
        "-0.5",
        "--dry",
        "--kind",
        "large",
        "--kinds",
        "small",
        "--kinds",
        "large",
        "--of",
        "0xCE1F",
    ];
    let expected = json!({
        "rule": "-x", "max_keys": 255, "ratio": -0.5, "dry": true, "kind": "large", "kinds": ["small", "large"], "of": "0xCE1F",
    });
    // A value with a dash is attached.
    let line: Vec<&str> = line
        .into_iter()
        .filter(|word| *word != "-x")
        .map(|word| if word == "--rule" { "--rule=-x" } else { word })
        .collect();
    assert_eq!(arguments(&line), Ok(expected));
    let with_json = arguments(&["--args", r#"{"inner":{"x":1},"of":"7"}"#, "--rule", "r", "--dry=false"]);
    assert_eq!(with_json, Ok(json!({ "inner": { "x": 1 }, "of": "7", "rule": "r", "dry": false })));
}

#[test]
fn a_wrong_flag_is_a_usage_error() {
    let fine = ["--rule", "r", "--of", "7"];
    for (line, says) in [
        (&["--max-keys", "256"][..], "is more than 255"),
        (&["--max-keys", "-1"], "is less than 0"),
        (&["--max-keys", "1.5"], "is no whole number"),
        (&["--ratio", "x"], "is no number"),
        (&["--kind", "tiny"], "is none of small, large"),
        (&["--dry=yes"], "is neither true nor false"),
        (&["--rule", "s"], "cannot be used multiple times"),
        (&["--inner", "1"], "unexpected argument '--inner'"),
        (&["--password", "hunter2"], "unexpected argument '--password'"),
        (&["extra"], "unexpected argument 'extra'"),
        (&["--args", "{}{}"], "--args: arguments: trailing characters"),
        (&["--args", "[1]"], "--args: is no JSON object"),
        (&["--args", r#"{"rule":"x"}"#], "--rule: --args has rule too"),
        (&["--args", r#"{"password":"hunter2"}"#], "--args: has a secret"),
        (&["--args", "@/does/not/exist"], "--args: /does/not/exist: "),
    ] {
        let line: Vec<&str> = fine.iter().chain(line).copied().collect();
        let wrong = arguments(&line).unwrap_err();
        assert!(wrong.contains(says), "{says}: {wrong}");
        assert!(!wrong.contains("hunter2") && !wrong.contains('\n'), "{wrong}");
    }
    assert!(arguments(&["--rule", "r"]).unwrap_err().contains("--of <ID>"));
    assert!(arguments(&["--rule", "r", "--of", "quota"]).unwrap_err().contains("is no id"));
}

#[test]
fn a_secret_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "12345\n").unwrap();
    let path = path.to_str().unwrap();
    let given = arguments(&["--rule", "r", "--of", "7", "--password-file", path, "--pin-file", path]);
    assert_eq!(given, Ok(json!({ "rule": "r", "of": "7", "password": "12345", "pin": 12345 })));
    std::fs::write(path, "hunter2").unwrap();
    let wrong = arguments(&["--rule", "r", "--of", "7", "--pin-file", path]).unwrap_err();
    assert_eq!(wrong, "--pin-file: is no number");
    std::fs::write(path, "x".repeat(MAX_BYTES + 1)).unwrap();
    assert!(
        arguments(&["--rule", "r", "--of", "7", "--password-file", path]).unwrap_err().contains("more than")
    );
}

#[test]
fn a_change_needs_a_reason_and_a_destruction_its_confirmation() {
    let fine = ["--rule", "r", "--of", "7"];
    let with = |more: &[&'static str]| fine.iter().chain(more).copied().collect::<Vec<_>>();
    assert!(read_line("changes", &fine).unwrap_err().starts_with("--reason: "));
    assert!(read_line("changes", &with(&["--reason", "why"])).is_ok());
    assert!(read_line("destroys", &with(&["--reason", "why"])).unwrap_err().starts_with("--yes: "));
    assert!(read_line("destroys", &with(&["-r", "why", "-y"])).is_ok());
}

#[test]
fn the_help_has_the_flags_and_what_has_none() {
    let Ok(Read::Help(help)) = read_line("destroys", &["--help"]) else { panic!("no help") };
    for says in [
        "Stores.",
        "--rule <TEXT>",
        "Name of the rule.",
        "--max-keys <NUMBER>",
        "--password-file <PATH>",
        "small, large",
        "Only by --args: inner, loop, matrix, reason.",
        "Role: operate",
        "Effect: destroys",
        "The result has: stored.",
        "--reason <TEXT>",
    ] {
        assert!(help.contains(says), "{says}: {help}");
    }
}
