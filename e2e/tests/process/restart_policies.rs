//! Restart policies in a config, from JSON to a running process: bad ones are refused, and good ones are in effect.

use std::{fs, path::Path};

use app_config::CONFIG_SERVICE_ID;
use app_config::compat::service_config_id;
use nix::sys::signal::Signal;

use crate::{
    files::Configs,
    program::{Ended, Program},
};

/// Seals a config of the config service.
fn seal(folder: &Configs, policies: &str) -> Ended {
    let json = folder.path().join("policies.json");
    fs::write(&json, format!("{{\"restartPolicies\": [{policies}]}}")).unwrap();
    let output = folder.path().join(service_config_id(CONFIG_SERVICE_ID));
    Program::service()
        .args(["config", "seal", "--service", "config", "--plain", "--force", "--output"].map(Path::new))
        .args([&output, &json])
        .run()
}

#[test]
fn policies_that_make_no_sense_are_refused_with_their_paths_before_a_file_is_made() {
    let folder = Configs::none();
    let refused = seal(
        &folder,
        r#"{"serviceId": "0x7", "windowSeconds": 0}, {"serviceId": "0x7"}, {"serviceId": "0x8", "after": "sometimes"},
           {"serviceId": "0x9", "backoffShortestMillis": 900, "backoffLongestMillis": 800}"#,
    );
    refused.expect_code(78);
    // The text of the file is checked first.
    assert!(refused.stderr.contains("restartPolicies[2].after: "), "{}", refused.stderr);
    let refused = seal(
        &folder,
        r#"{"serviceId": "0x7", "windowSeconds": 0}, {"serviceId": "0x7"}, {},
           {"serviceId": "0x9", "backoffShortestMillis": 900, "backoffLongestMillis": 800}"#,
    );
    refused.expect_code(78);
    for path in ["[0].windowSeconds: ", "[1].serviceId: ", "[2].serviceId: ", "[3].backoffShortestMillis: "] {
        assert!(refused.stderr.contains(&format!("restartPolicies{path}")), "{path}: {}", refused.stderr);
    }
    assert!(!folder.path_of(CONFIG_SERVICE_ID).exists());
}

#[test]
fn a_policy_of_a_service_that_the_program_does_not_have_is_refused_by_the_check_and_the_start() {
    let configs = Configs::any_port();
    seal(&configs, r#"{"serviceId": "0xce1f32c680e1ef0b"}, {"serviceId": "0x1234"}"#).expect_code(0);
    let file = configs.path_of(CONFIG_SERVICE_ID).display().to_string();
    for arguments in [&["--check"][..], &[]] {
        let ended = configs.service().args(arguments).run();
        ended.expect_code(78);
        let wrong = "restartPolicies[1].serviceId: no service of this application has the id 0x1234";
        // The last record of a failed start repeats the reason.
        let lines = ended.stderr.lines().filter(|line| !line.contains("app stopped: "));
        let lines = lines.filter(|line| line.contains(wrong) && line.contains(&file));
        assert_eq!(lines.count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_policy_that_is_good_is_in_effect_and_told() {
    let configs = Configs::any_port();
    let policy =
        r#"{"serviceId": "0xce1f32c680e1ef0b", "after": "always", "maxRestarts": 3, "windowSeconds": 60}"#;
    seal(&configs, policy).expect_code(0);
    configs.service().args(["--check"]).run().expect_code(0);
    let process = configs.service().start();
    process.address();
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    assert!(ended.stderr.contains("quota (ce1f32c680e1ef0b): always, 3 in 1m"), "{}", ended.stderr);
}
