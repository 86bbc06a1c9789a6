//! Tools that are not part of the workspace. If a tool is not installed, its tests are skipped and say so. With
//! `REQUIRE_TOOLS=1` they fail instead.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    process::Command,
};

use crate::program::Program;

/// Whether a tool is installed. Runs it once to find out.
pub(crate) fn installed(program: &str, args: &[&str], package: &str) -> bool {
    let there = Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
    if !there {
        let skipped = format!("SKIPPED: {program} {} does not work (install {package})", args.join(" "));
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "{skipped}, and REQUIRE_TOOLS=1 asks for it"
        );
        // Not `eprintln`: the test harness hides its output if the test passes.
        let _ = writeln!(io::stderr(), "{skipped}");
    }
    there
}

/// Runs a tool, which must succeed. Returns its output.
#[track_caller]
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> String {
    let ended = Program::new(program).args(args).run();
    ended.expect_code(0);
    ended.stdout
}
