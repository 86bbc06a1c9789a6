//! Two owners of one flag: the start and `--check` refuse it, and name both. Tried on a child: this very program.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{env, process::Command};

use app_core::{Flags, clap, prelude::*, run_with};

#[derive(Debug, clap::Args)]
struct InkFlags {
    /// Also a flag of the kernel.
    #[arg(long)]
    drain_delay: Option<u32>,
    #[arg(long)]
    colour: bool,
}

#[derive(Debug, clap::Args)]
struct PaperFlags {
    #[arg(long)]
    colour: bool,
    size: Option<String>,
}

/// The line of the first group.
const INK: u32 = line!() + 1;
app_core::flag_group! { InkFlags }
app_core::flag_group! { PaperFlags }

async fn start() -> Result<(), Error> {
    Ok(())
}

app_core::service! { id: ServiceId::new(0x92), name: "press", start: start }

/// Set in a child.
const CHILD: &str = "APP_CORE_TEST_CHILD";

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// What a child says on standard error. Each problem is told once.
fn refusal(test: &str) -> String {
    let mut program = Command::new(env::current_exe().unwrap());
    let ended = program.args([test, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(text.contains("exit status 1"), "{text}");
    let of = |line: u32, group: &str| {
        format!("flag group {group} (app-core at app-core/tests/flag_duplicates.rs:{line})")
    };
    let (ink, paper) = (of(INK, "InkFlags"), of(INK + 1, "PaperFlags"));
    for problem in [
        format!("the flag --colour is declared by {ink} and by {paper}: rename the flag in one of them"),
        format!(
            "the flag --drain-delay is declared by the kernel and by {ink}: rename the flag in one of them"
        ),
        format!("{paper}: the argument size is positional: make it a flag with #[arg(long)]"),
    ] {
        let lines = text.lines().filter(|line| line.contains(&problem));
        assert_eq!(lines.count(), 1, "{problem}:\n{text}");
    }
    text
}

fn tell(exit: std::process::ExitCode) {
    let one = exit == std::process::ExitCode::from(1);
    eprintln!("exit status {}", if one { "1" } else { "unexpected" });
}

#[test]
fn checks() {
    if is_child() {
        let mut flags = Flags::with_config_dir("/nonexistent");
        flags.check = true;
        tell(run_with(flags));
    }
}

#[test]
fn starts() {
    if is_child() {
        tell(run_with(Flags::with_config_dir("/nonexistent")));
    }
}

#[test]
fn parses() {
    if is_child() {
        tell(app_core::run());
    }
}

#[test]
fn a_flag_that_two_groups_declare_is_refused_by_the_start_and_by_check() {
    if !is_child() {
        refusal("checks");
        refusal("starts");
    }
}

#[test]
fn a_command_line_with_such_a_flag_is_not_read() {
    if !is_child() {
        let text = refusal("parses");
        assert!(text.contains("cannot start: flag group PaperFlags"), "{text}");
    }
}
