//! An application that does not link `app-sealing`: it refuses sealed files, and its commands know nothing of keys.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use app_config::file::Located;
use app_config::sealing::{OpenError, Sealer};
use app_config::{CONFIG_SERVICE_ID, ConfigDir, Configs, LoadError};
use app_core::clap::Command;
use app_core::testing::TestApp;
use app_core::{ExitStatus, Subcommand};

/// A sealed file of the right form.
const SEALED: &[u8] =
    b"age-encryption.org/v1\n-> X25519 a\nb\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nsealed";

fn put(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
}

/// Runs a subcommand of the application.
fn run(words: &[&str]) -> ExitCode {
    let command = Subcommand::add_all(Command::new("app"));
    Subcommand::dispatch(&command.get_matches_from(["app"].iter().chain(words))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sealed_file_stops_the_start_with_the_status_of_a_bad_config() {
    let builder = TestApp::builder().linked([CONFIG_SERVICE_ID]);
    put(&ConfigDir::new(builder.config_dir()).file(CONFIG_SERVICE_ID), SEALED);
    let app = builder.build();
    let report = app.start().await.unwrap_err();
    assert_eq!(report.exit_status().code(), 78);
    let text = format!("{report:?}\n{}", app.captured().text());
    let expected = "(config): the file is sealed, and this program can't open sealed files: link app-sealing (use app_sealing as _;) (file ";
    assert!(text.contains(expected), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_sealed_file_that_comes_later_is_refused_with_its_reason() {
    let app = TestApp::with([CONFIG_SERVICE_ID]).await;
    let configs = app.get::<Configs>();
    put(&configs.dir().file(CONFIG_SERVICE_ID), SEALED);
    let error = configs.config(CONFIG_SERVICE_ID).err().unwrap();
    let located = error.downcast_cause::<Located<LoadError>>().unwrap();
    assert!(matches!(located.error(), LoadError::Sealed(OpenError::NotLinked)), "{error}");
    app.stop().await.expect_clean();
}

#[test]
fn the_commands_author_plain_configs_alone() {
    assert!(Sealer::linked().is_none());
    let config = Subcommand::linked().into_iter().map(|linked| linked.command());
    let config = config.into_iter().find(|command| command.get_name() == "config").unwrap();
    let names: Vec<_> = config.get_subcommands().map(Command::get_name).collect();
    assert_eq!(names, ["explain", "seal", "open", "check", "diff"]);
    for command in config.get_subcommands() {
        let has = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
        assert!(!has("identity") && !has("recipient"), "{}", command.get_name());
    }
}

#[test]
fn a_plain_config_is_made_and_a_sealed_one_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (json, output) = (path("config.json"), path("0x86813dd78fd207f5"));
    fs::write(&json, "{}").unwrap();
    let seal = ["config", "seal", "--service", "config", "--output", &output, &json];
    assert_eq!(run(&seal), ExitStatus::Usage.into());
    assert!(!Path::new(&output).exists());
    assert_eq!(run(&[&seal[..], &["--plain"]].concat()), ExitCode::SUCCESS);
    assert_eq!(run(&["config", "open", &output]), ExitCode::SUCCESS);
    put(&dir.path().join("0x1f"), SEALED);
    assert_eq!(run(&["config", "open", "--service", "config", &path("0x1f")]), ExitStatus::Config.into());
    assert_eq!(run(&["config", "check", &path("")]), ExitStatus::Config.into());
}
