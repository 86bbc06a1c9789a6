//! Files sealed by the programs `age` and `age-keygen` (Debian package `age`) are opened here, and the reverse.
//!
//! Without the programs the tests say that they were skipped. With `REQUIRE_TOOLS=1` they fail then.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io::Write};

use app_config::sealing::SealedHeader;
use app_sealing::{ConfigIdentities, ConfigIdentity, Recipient, open, seal};
use tempfile::TempDir;

const PLAIN: &[u8] = b"the content of a config\0\xff";

/// Whether the programs can be used. If not, the test says so, or fails.
fn has_age() -> bool {
    let found = ["age", "age-keygen"].into_iter().all(|tool| {
        let mut probe = Command::new(tool);
        probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    });
    if !found {
        assert!(env::var("REQUIRE_TOOLS").as_deref() != Ok("1"), "REQUIRE_TOOLS=1, and age is not installed");
        eprintln!("SKIPPED: the age and age-keygen programs (Debian: age) are not installed");
    }
    found
}

/// Runs a program to its end with `input` on standard input, and returns its output.
fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Small inputs fit into the pipe, so writing them does not wait.
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

fn keygen(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(name);
    run(Command::new("age-keygen").arg("-o").arg(&path).stderr(Stdio::null()), b"");
    path
}

/// Runs age for each recipient.
fn age_seals(recipients: &[Recipient], more: &[&str], plain: &[u8]) -> Vec<u8> {
    let recipients =
        recipients.iter().flat_map(|recipient| ["--recipient".to_owned(), recipient.to_string()]);
    run(Command::new("age").args(recipients).args(more), plain)
}

fn age_opens(identity: &Path, sealed: &[u8]) -> Vec<u8> {
    run(Command::new("age").arg("--decrypt").arg("--identity").arg(identity), sealed)
}

fn write_identity(dir: &TempDir, identity: &ConfigIdentity) -> PathBuf {
    let path = dir.path().join("identity");
    fs::write(&path, &*identity.secret_text()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    path
}

#[test]
fn a_file_of_age_is_opened_with_an_identity_of_age_keygen() {
    if !has_age() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let identities = ConfigIdentities::load(keygen(dir.path(), "identity")).unwrap();
    assert!(identities.warnings().is_empty(), "age-keygen writes for the owner alone");
    for plain in [PLAIN, b""] {
        let sealed = age_seals(&identities.recipients(), &[], plain);
        assert_eq!(*open(&sealed, &identities).unwrap(), *plain);
    }
}

#[test]
fn a_file_of_ours_is_opened_by_age() {
    if !has_age() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let theirs = keygen(dir.path(), "theirs");
    let recipients = ConfigIdentities::load(&theirs).unwrap().recipients();
    let ours = ConfigIdentity::generate();
    let ours_path = write_identity(&dir, &ours);
    for plain in [PLAIN, b""] {
        // age adds a random stanza each time.
        for _ in 0..10 {
            let sealed = seal(plain, &[recipients[0].clone(), ours.recipient()]).unwrap();
            assert_eq!(age_opens(&theirs, &sealed), plain);
            assert_eq!(age_opens(&ours_path, &sealed), plain);
        }
    }
}

#[test]
fn our_identity_and_age_keygen_mean_the_same_recipient() {
    if !has_age() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ours = ConfigIdentity::generate();
    let theirs = run(Command::new("age-keygen").arg("-y").arg(write_identity(&dir, &ours)), b"");
    assert_eq!(String::from_utf8(theirs).unwrap().trim(), ours.recipient().to_string());
}

#[test]
fn a_file_of_age_for_several_recipients_is_opened_by_each() {
    if !has_age() {
        return;
    }
    let keys: Vec<_> = (0..3).map(|_| ConfigIdentity::generate()).collect();
    let recipients: Vec<_> = keys.iter().map(ConfigIdentity::recipient).collect();
    let sealed = age_seals(&recipients, &[], PLAIN);
    assert_eq!(SealedHeader::read(&sealed).unwrap().recipients(), 3);
    for key in keys {
        assert_eq!(*open(&sealed, &ConfigIdentities::of([key]).unwrap()).unwrap(), *PLAIN);
    }
}

#[test]
fn a_file_of_age_in_text_form_is_refused_and_the_cure_helps() {
    if !has_age() {
        return;
    }
    let identity = ConfigIdentity::generate();
    let recipients = [identity.recipient()];
    let identities = ConfigIdentities::of([identity]).unwrap();
    let error = open(&age_seals(&recipients, &["--armor"], PLAIN), &identities).unwrap_err();
    assert_eq!(error.to_string(), "the file is sealed in age's text form: seal it without --armor");
}
