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
    let colour = "the flag --colour is declared by flag group InkFlags (app-core at app-core/tests/flag_duplicates.rs:";
    for (problem, times) in [
        (colour, 1),
        (") and by flag group PaperFlags (app-core at app-core/tests/flag_duplicates.rs:", 1),
        ("the flag --drain-delay is declared by the kernel and by flag group InkFlags (", 1),
        ("): rename the flag in one of them", 2),
        ("): the argument size is positional: make it a flag with #[arg(long)]", 1),
    ] {
        assert_eq!(text.matches(problem).count(), times, "{problem}:\n{text}");
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
        assert!(text.contains("cannot start: the "), "{text}");
    }
}
