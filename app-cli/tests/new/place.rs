//! Where new workspaces are built, and how.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder for all that is built of new workspaces, in the target of this one. Their dependencies are the same, so the tests share
/// it. It stays for the next run; CI removes it.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("new")
}

/// The settings of cargo for new workspaces: in one folder, without the network, and without what is only for debuggers.
pub(crate) fn settings() -> [(&'static str, String); 4] {
    [
        ("CARGO_TARGET_DIR", target().to_str().unwrap().to_owned()),
        ("CARGO_NET_OFFLINE", "true".to_owned()),
        ("CARGO_INCREMENTAL", "0".to_owned()),
        ("CARGO_PROFILE_DEV_DEBUG", "0".to_owned()),
    ]
}

/// Whether a program is there. With `REQUIRE_TOOLS`, it has to be.
pub(crate) fn has(program: &str) -> bool {
    has_with(program, "--version")
}

/// As [`has`]. The program succeeds with this argument.
pub(crate) fn has_with(program: &str, argument: &str) -> bool {
    let has = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
    if !has {
        let skipped = format!("SKIPPED: the program {program} is not installed");
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "{skipped}, and REQUIRE_TOOLS=1 asks for it"
        );
        eprintln!("{skipped}");
    }
    has
}
