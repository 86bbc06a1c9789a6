//! The programs that are measured from outside; they stand beside the one that measures.

use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::rounds::Failure;

/// Where it is.
pub(crate) fn path(name: &str) -> Result<PathBuf, Failure> {
    let program = env::current_exe()?.with_file_name(name);
    if program.exists() { Ok(program) } else { Err(format!("{} was not built", program.display()).into()) }
}

/// The others.
const PROGRAMS: [&str; 5] = ["allocations", "peer_foundations", "peer_lifecycle", "peer_tokio", "platform"];

/// Builds them as this one was built: `cargo run` builds but one. What can't be built says so, and is missed later.
pub(crate) fn build() -> Result<(), Failure> {
    let own = env::current_exe()?;
    let (Some(folder), Some(target)) = (own.parent(), own.ancestors().nth(2)) else {
        return Err("this program is in no target folder".into());
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--keep-going", "--package", "benches", "--target-dir"]);
    build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    // This program stays what it is: not even the same one may take its place while it runs.
    for program in PROGRAMS {
        build.args(["--bin", program]);
    }
    // What `cargo run` says of this package would be a changed environment to build scripts, and build all they are for anew.
    for (name, _) in env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
                .iter()
                .any(|of_package| name.starts_with(of_package))
        });
        if told {
            build.env_remove(name);
        }
    }
    if folder.file_name().is_some_and(|profile| profile == "release") {
        build.arg("--release");
    }
    let status = build.stdin(Stdio::null()).status()?;
    if !status.success() {
        let _ = writeln!(
            std::io::stderr(),
            "not all programs could be built: what they are measured for is missing below"
        );
    }
    Ok(())
}

/// Kills a process, and what it started.
pub(crate) fn kill_with_children(process: u32) {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    if let Ok(process) = i32::try_from(process) {
        // Who has gone already needs no killing.
        let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
    }
    children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(kill_with_children);
}
