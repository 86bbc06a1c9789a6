//! Flag groups: flags that a linked crate adds to the command line of the application, and who gets their values.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    process::{Command, ExitCode},
    sync::Arc,
};

use app_core::{
    Flag, Flags, ServiceDescriptor, Subcommand, args, clap, flags::FlagSource, prelude::*, testing::TestApp,
};
use clap::{Args, FromArgMatches};

/// Flags of the printing press.
#[derive(Debug, clap::Args)]
struct PressFlags {
    /// Pages that may wait.
    #[arg(long, value_name = "N", default_value = "16", value_parser = args::number(1_u16..=64))]
    press_queue: u16,
    /// Prints on both sides.
    #[arg(long, env = "OP_BOTH_SIDES", value_parser = args::boolean)]
    press_duplex: bool,
}

app_core::flag_group! { PressFlags }

const PRESS: ServiceId = ServiceId::new(0x91);

struct Press(u16);

impl Exposed for Press {
    const SERVICE: ServiceId = PRESS;
}

async fn start(flags: Flag<PressFlags>) -> Result<Press, Error> {
    Ok(Press(flags.press_queue))
}

app_core::service! { start: start, name: "press", id: PRESS }

/// Also the filter by which the test program runs [`press_show`] alone.
fn command() -> clap::Command {
    clap::Command::new("press_show")
}

fn show(_: &clap::ArgMatches, flags: &Flags) -> ExitCode {
    let press = flags.group::<PressFlags>().unwrap();
    let source = flags.group_source::<PressFlags>("press_queue");
    let text = format!("queue {} by {source:?}, duplex {}\n", press.press_queue, press.press_duplex);
    app_core::write_output(|out| out.write_all(text.as_bytes()))
}

app_core::subcommand! { Subcommand::with_flags(command, show) }

/// Set in a child: this very program, run as an application.
const CHILD: &str = "APP_CORE_TEST_CHILD";

fn command_line() -> clap::Command {
    Flags::augment_args(clap::Command::new("app"))
}

fn parse(arguments: &[&str]) -> Result<Flags, String> {
    let parsed = command_line().try_get_matches_from(["app"].iter().chain(arguments));
    parsed.and_then(|matches| Flags::from_arg_matches(&matches)).map_err(|error| error.to_string())
}

#[test]
fn a_flag_of_a_group_is_parsed_beside_those_of_the_kernel() {
    let flags = parse(&["--press-queue=3", "--drain-delay=1s", "--press-duplex"]).unwrap();
    let press = flags.group::<PressFlags>().unwrap();
    assert_eq!((press.press_queue, press.press_duplex), (3, true));
    assert_eq!(flags.drain_delay, Duration::from_secs(1));
    assert_eq!(
        flags.group_source::<PressFlags>("press_queue"),
        Some(FlagSource::Flag("--press-queue")),
        "messages can say where a value came from"
    );
    let default = parse(&[]).unwrap();
    assert_eq!(default.group::<PressFlags>().unwrap().press_queue, 16);
    assert_eq!(default.group_source::<PressFlags>("press_queue"), None);
}

#[test]
fn a_bad_value_and_a_flag_that_is_nearly_right_are_usage_errors_that_name_the_flag() {
    let bad = parse(&["--press-queue=65"]).unwrap_err();
    assert!(bad.contains("--press-queue") && bad.contains("a whole number from 1 to 64"), "{bad}");
    let unknown = parse(&["--press-quue=3"]).unwrap_err();
    assert!(unknown.contains("'--press-queue'"), "{unknown}");
}

#[test]
fn help_shows_the_flags_with_their_variables_and_not_what_the_group_says_of_itself() {
    let help = command_line().render_long_help().to_string();
    for shown in
        ["--press-queue <N>", "Pages that may wait", "[env: OP_PRESS_QUEUE=]", "[env: OP_BOTH_SIDES=]"]
    {
        assert!(help.contains(shown), "{shown}:\n{help}");
    }
    assert!(!help.contains("printing press"), "{help}");
}

#[tokio::test]
async fn two_apps_of_one_process_have_different_values() {
    let small = PressFlags { press_queue: 2, press_duplex: false };
    let small = TestApp::builder().linked([PRESS]).flag_group(small).start().await;
    let default = TestApp::with([PRESS]).await;
    assert_eq!((small.get::<Press>().0, default.get::<Press>().0), (2, 16));
    small.stop().await.expect_clean();
    default.stop().await.expect_clean();
}

#[test]
fn press_show() {
    if env::var_os(CHILD).is_some() {
        let _ = app_core::run();
    }
}

#[test]
fn a_subcommand_sees_the_flags_of_the_application() {
    let mut program = Command::new(env::current_exe().unwrap());
    let program = program.args(["press_show"]).env(CHILD, "1");
    let ended = program.env("OP_PRESS_QUEUE", "7").env("OP_BOTH_SIDES", "yes").output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(told.contains(r#"queue 7 by Some(Variable("OP_PRESS_QUEUE")), duplex true"#), "{told}");
}

/// Why an app of this service does not start.
async fn refusal(service: ServiceDescriptor) -> String {
    let app = TestApp::builder().service(service).build();
    format!("{:?}", app.start().await.unwrap_err().cause)
}

#[derive(Debug, clap::Args)]
struct Undeclared {
    #[arg(long)]
    undeclared: bool,
}

#[tokio::test]
async fn a_group_that_is_no_part_of_the_command_line_is_refused_at_the_start() {
    async fn start(_: Flag<Undeclared>) -> Result<(), Error> {
        Ok(())
    }
    let why = refusal(ServiceDescriptor::of(ServiceId::new(5), "five", start)).await;
    assert!(why.contains("service five (5) takes the flags flag_groups::Undeclared"), "{why}");
    assert!(why.contains("add `app_core::flag_group!` beside the type"), "{why}");
}

#[derive(Debug, clap::Args)]
struct PaperFlags {
    #[arg(long)]
    paper_size: String,
    #[arg(long, default_value = "80")]
    paper_weight: u32,
}

#[test]
fn values_that_were_set_in_code_have_no_source() {
    let mut flags = parse(&["--press-queue=3"]).unwrap();
    flags.set_group(PressFlags { press_queue: 9, press_duplex: true });
    assert_eq!(flags.group::<PressFlags>().unwrap().press_queue, 9);
    assert_eq!(flags.group_source::<PressFlags>("press_queue"), None);
}

#[test]
fn a_group_with_a_flag_that_has_no_default_has_values_once_they_are_set() {
    let mut flags = Flags::default();
    let missing = flags.group::<PaperFlags>().unwrap_err();
    assert!(missing.contains("--paper-size"), "{missing}");
    flags.set_group(PaperFlags { paper_size: "A4".to_owned(), paper_weight: 80 });
    let paper: Arc<PaperFlags> = flags.group().unwrap();
    assert_eq!((paper.paper_size.as_str(), paper.paper_weight), ("A4", 80));
}
