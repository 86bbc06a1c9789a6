//! Config directories to which all users may add files. A warning names them, and files of other users in them are refused.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use nix::{sys::signal::Signal, unistd::geteuid};
use svc_example::QUOTA;

use crate::files::Configs;

/// A user that is neither root nor the user of this test.
const STRANGER: u32 = 54_321;

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: only root makes files of other users");
    }
    geteuid().is_root()
}

#[test]
fn a_directory_that_anybody_may_add_files_to_is_told_once_by_the_log_and_by_the_check() {
    for (mode, told) in [
        (0o1777, "may get files from everyone (mode 1777)"),
        (0o777, "may be changed by everyone (mode 0777)"),
    ] {
        let configs = Configs::any_port();
        open(configs.path(), mode);
        let checked = configs.service().args(["--check"]).run();
        checked.expect_code(0);
        assert_eq!(checked.stderr.matches(told).count(), 1, "{}", checked.stderr);
        let process = configs.service().start();
        process.ready();
        process.signal(Signal::SIGTERM);
        let ended = process.ended();
        ended.expect_code(0);
        assert_eq!(ended.stderr.matches(told).count(), 1, "{}", ended.stderr);
    }
}

#[test]
fn a_file_of_a_stranger_is_refused_there_by_the_start_the_check_and_a_reload() {
    if !is_root() {
        return;
    }
    let configs = Configs::any_port().rules(&[("mails", |mut rule| rule.set_permits(3))]);
    open(configs.path(), 0o1777);
    let process = configs.service().start();
    process.ready();
    let path = configs.path_of(QUOTA);
    let configs = configs.rules(&[("other", |mut rule| rule.set_permits(1))]);
    open(&path, 0o444);
    chown(&path, Some(STRANGER), Some(STRANGER)).unwrap();
    process.signal(Signal::SIGHUP);
    let told = format!("{} belongs to user {STRANGER}, and everyone may add files to", path.display());
    assert!(process.line(&told).contains("the value in effect stays"));
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
    for args in [&["--check"][..], &[]] {
        let ended = configs.service().args(args).run();
        ended.expect_code(78);
        let lines =
            ended.stderr.lines().filter(|line| !line.contains("app stopped: ") && line.contains(&told));
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() == 1 && lines[0].contains("chmod o-w"), "{}", ended.stderr);
    }
    // In a directory that only its owner can change, the owner of a file does not matter.
    open(configs.path(), 0o755);
    configs.service().args(["--check"]).run().expect_code(0);
    // A directory of another user, with a file of that user.
    open(configs.path(), 0o1777);
    chown(configs.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    open(configs.path(), 0o1777);
    configs.service().args(["--check"]).run().expect_code(0);
}

#[test]
fn an_identity_of_a_stranger_is_refused_there() {
    if !is_root() {
        return;
    }
    let configs = Configs::any_port();
    open(configs.path(), 0o1777);
    let path = configs.path().join("config.identity");
    fs::write(&path, &*app_sealing::ConfigIdentity::generate().secret_text()).unwrap();
    open(&path, 0o444);
    configs.service().args(["--check"]).run().expect_code(0);
    chown(&path, Some(STRANGER), Some(STRANGER)).unwrap();
    let ended = configs.service().args(["--check"]).run();
    ended.expect_code(78);
    assert!(ended.stderr.contains(&format!("belongs to user {STRANGER},")), "{}", ended.stderr);
}
