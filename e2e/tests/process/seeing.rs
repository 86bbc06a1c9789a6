//! What operators see, with the built programs: every command of the pages, a program that does not run, and one that dies.

use nix::sys::signal::Signal;

use crate::{
    dev::{folder, lines, shell, start},
    program::Program,
    tools,
};

const APPCTL: &str = include_str!("../../../docs/APPCTL.md");
const OPERATING: &str = include_str!("../../../docs/OPERATING.md");

/// The command lines of the first shell block after a heading.
fn commands(page: &'static str, heading: &str) -> Vec<&'static str> {
    let (_, part) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = part.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```\n").unwrap();
    block.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[test]
fn every_command_of_the_pages_works_with_a_running_program() {
    let (process, tour) = start();
    let export = lines(&tour)[0].lines().next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let folder = folder.path().display();
        // Commands that follow end after a while, which is no failure.
        let limit = if command.contains("--follow") { "timeout --preserve-status -s INT 3 " } else { "" };
        let context = if command.contains("appctl kill") {
            "export OP_CONTEXT=\"${OP_CONTEXT%#*}#admin\"\n"
        } else {
            ""
        };
        let command = command.replacen("appctl", &format!("{limit}appctl"), 1);
        shell(&format!("{export}\n{context}cd {folder}\n{command}")).run()
    };
    let mut all = commands(OPERATING, "Look into it while it runs");
    all.extend(commands(APPCTL, "Recipes"));
    assert!(all.len() > 20, "{all:?}");
    // The one that ends the program comes last.
    all.sort_by_key(|command| command.contains("appctl kill"));
    let has_jq = tools::installed("jq", &["--version"], "jq");
    for command in all.into_iter().filter(|command| has_jq || !command.contains("jq ")) {
        let ended = run(command);
        assert_eq!(ended.code(), Some(0), "{command}: {ended:?}");
    }
    process.ended().expect_code(0);
}

#[test]
fn a_program_that_does_not_run_shows_its_services() {
    let tree = Program::service().args(["graph"]).run();
    tree.expect_code(0);
    for part in ["quota-rpc (", "\n", "`- ", "quota (0xce1f32c680e1ef0b", "metrics ("] {
        assert!(tree.stdout.contains(part), "{part:?}: {}", tree.stdout);
    }
    let dot = Program::service().args(["graph", "--dot"]).run();
    dot.expect_code(0);
    let (first, rest) = dot.stdout.split_once('\n').unwrap();
    assert!(first == "digraph services {" && rest.ends_with(";\n}\n"), "{}", dot.stdout);
    for line in rest.lines().filter(|line| line.starts_with("  \"")) {
        assert!(line.ends_with(';') && line.matches('"').count() % 2 == 0, "{line}");
    }
}

#[test]
fn who_follows_a_program_that_dies_is_told() {
    let (process, tour) = start();
    let export = lines(&tour)[0].lines().next().unwrap().to_owned();
    let follow =
        |command: &str| shell(&format!("{export}\nexec appctl {command} -f --json --reconnect 1s")).start();
    let (events, logs) = (follow("events"), follow("logs"));
    events.printed("app_started");
    logs.printed("app_started");
    process.signal(Signal::SIGKILL);
    for followed in [events, logs] {
        followed.printed("\"disconnected\"");
        let ended = followed.ended();
        assert_eq!(ended.code(), Some(3), "{ended:?}");
        assert!(ended.stderr.contains("connection refused"), "{ended:?}");
    }
    let gone = shell(&format!("{export}\nappctl wait stopped --for 30s")).run();
    gone.expect_code(0);
    let not = shell(&format!("{export}\nappctl wait ready --for 1s")).run();
    assert_eq!(not.code(), Some(7), "{not:?}");
    // A program that is killed leaves its folder behind.
    std::fs::remove_dir_all(folder(&tour)).unwrap();
}
