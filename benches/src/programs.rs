//! The programs that are measured from outside. They are in the folder of the measuring program.

use std::{
    collections::BTreeSet,
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

/// Path of a program.
pub(crate) fn path(name: &str) -> Result<PathBuf, Failure> {
    let program = env::current_exe()?.with_file_name(name);
    if program.exists() { Ok(program) } else { Err(format!("{} was not built", program.display()).into()) }
}

/// Builds these programs with the profile of this one, because `cargo run` builds only one program. A failed build is reported, and
/// its rows fail later.
pub(crate) fn build(programs: &BTreeSet<&str>) -> Result<(), Failure> {
    if programs.is_empty() {
        return Ok(());
    }
    let own = env::current_exe()?;
    let (Some(folder), Some(target)) = (own.parent(), own.ancestors().nth(2)) else {
        return Err("this program is in no target folder".into());
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--keep-going", "--package", "benches", "--target-dir"]);
    build.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Does not build this program again, because the file must not change while it runs.
    for program in programs {
        build.args(["--bin", program]);
    }
    // Removes the variables that `cargo run` sets for this package. Build scripts would see a changed environment and rebuild.
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

/// Kills a process and its children.
pub(crate) fn kill_with_children(process: u32) {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    if let Ok(process) = i32::try_from(process) {
        // A process that has ended needs no signal.
        let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
    }
    children.split_whitespace().filter_map(|child| child.parse().ok()).for_each(kill_with_children);
}
