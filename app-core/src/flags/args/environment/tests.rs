//! Names of variables that are nearly right are told, those of other programs never.

use super::*;

fn near(names: &[&str]) -> Vec<String> {
    let known = ["OP_APP_ID", "OP_CHECK", "OP_CONFIG_DIR", "OP_DRAIN_DELAY", "OP_LOG_FORMAT", "OP_LOG_LEVEL"];
    misspelt_of(&known.map(str::to_owned).into(), names.iter().map(Into::into))
}

#[test]
fn a_variable_that_is_nearly_named_as_a_known_one_is_told() {
    for (name, meant) in [
        ("OP_LOGLEVEL", "OP_LOG_LEVEL"),
        ("OP_LOG_LEVL", "OP_LOG_LEVEL"),
        ("OP_LOG_LEVELS", "OP_LOG_LEVEL"),
        ("OP_APPID", "OP_APP_ID"),
        ("OP_CONFIG_DIRECTORY", "OP_CONFIG_DIR"),
        ("OP_DRAIN_DELAY_SECONDS", "OP_DRAIN_DELAY"),
    ] {
        let expected = format!("{name}: no such variable is read; did you mean {meant}?");
        assert_eq!(near(&[name]), [expected]);
    }
}

#[test]
fn variables_of_other_programs_and_known_ones_are_left_alone() {
    let foreign = [
        "OP_SESSION_my",
        "OP_SERVICE_ACCOUNT_TOKEN",
        "OP_CONNECT_HOST",
        "OP_CONNECT_TOKEN",
        "OP_ACCOUNT",
        "OP_DEVICE",
        "OP_CACHE",
        "OP_DEBUG",
        "OP_FORMAT",
        "OP_INCLUDE_ARCHIVE",
        "OP_ISO_TIMESTAMPS",
        "OP_",
        "OP",
        "LOG_LEVEL",
        "OP_LOG_LEVEL",
        "OP_\u{20ac}",
    ];
    assert_eq!(near(&foreign), Vec::<String>::new());
}
