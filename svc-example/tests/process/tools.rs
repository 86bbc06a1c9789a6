//! Other people's programs. Where one is not installed its tests say that they were skipped; with `REQUIRE_TOOLS=1` they
//! fail instead.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    process::Command,
};

use crate::program::Program;

/// Whether a program is there, shown by running it once.
pub(crate) fn installed(program: &str, args: &[&str], package: &str) -> bool {
    let there = Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
    if !there {
        let skipped = format!("SKIPPED: {program} {} does not work (install {package})", args.join(" "));
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "{skipped}, and REQUIRE_TOOLS=1 asks for it"
        );
        // Not `eprintln`, which is kept back for a test that passes.
        let _ = writeln!(io::stderr(), "{skipped}");
    }
    there
}

/// Runs a tool to its end, which must be a good one; gives its output.
#[track_caller]
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> String {
    let ended = Program::new(program).args(args).run();
    ended.expect_code(0);
    ended.stdout
}
