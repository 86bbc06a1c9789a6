//! The operators' page `docs/CONFIG.md`: every command works as written, and prints what the page shows.

use std::fs;

use app_core::events;
use nix::sys::signal::Signal;

use crate::{
    page::{bash, follow, steps},
    program::Program,
};

const PAGE: &str = include_str!("../../../docs/CONFIG.md");
/// The page's command that starts the application. It does not end by itself.
const START: &str = "svc-example --config-dir secrets --require-sealed";
/// The variables that the page has set.
const KNOWN: &str = "[ -e secrets/config.identity ] && export RECIPIENT=\"$(svc-example config recipients secrets/config.identity)\"";

#[test]
fn every_command_works_as_written_and_prints_what_the_page_shows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let steps = steps(PAGE);
    let start = steps.iter().position(|step| step.command == START).unwrap();
    assert!(steps.len() > 12 && start > 8, "the page has lost its commands");
    follow(folder, KNOWN, &steps[..start]);

    let any_port = "echo '{\"httpPort\": 0}' | svc-example config seal --service metrics --identity secrets/config.identity \
        --output secrets/0xe3054017c1b1d214";
    assert!(bash(folder, any_port).status.success());
    let secrets = folder.join("secrets");
    let process =
        Program::service().args(["--config-dir", secrets.to_str().unwrap(), "--require-sealed"]).start();
    let rules = process.record("the rules", |record| record["message"] == "rules in effect");
    assert_eq!((&rules["rules"], &rules["from_file"]), (&2.into(), &true.into()));
    process.event(events::APP_STARTED);
    process.signal(Signal::SIGTERM);
    assert!(process.ended().status.success());

    follow(folder, KNOWN, &steps[start + 1..]);
    let identities = fs::read_to_string(secrets.join("config.identity")).unwrap();
    assert_eq!(identities.matches("AGE-SECRET-KEY-1").count(), 2);
    // Each of the two keys opens the config, also the new one alone.
    fs::remove_file(secrets.join("config.identity")).unwrap();
    let with_new = "svc-example config open secrets/0xce1f32c680e1ef0b --identity new.identity";
    assert!(bash(folder, with_new).status.success());
}
