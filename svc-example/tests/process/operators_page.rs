//! The operators' page, `docs/CONFIG.md`: every command of it works as it is written, and prints what it says.

use std::{fmt::Write as _, fs, path::Path};

use app_core::events;
use nix::sys::signal::Signal;

use crate::program::{Ended, Program};

const PAGE: &str = include_str!("../../../docs/CONFIG.md");
/// What starts the application: the page's command, which does not end by itself.
const START: &str = "svc-example --config-dir secrets --require-sealed";
/// Before the output of a command.
const MARK: &str = "--8<--";

/// A command of the page and the output that it shows.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// Commands in their order; a block of JSON is the command that writes it to the file of which the page speaks.
fn steps() -> Vec<Step> {
    let mut steps = Vec::<Step>::new();
    let mut lines = PAGE.lines();
    while let Some(fence) = lines.next() {
        let block: Vec<_> = match fence {
            "```console" | "```json" => lines.by_ref().take_while(|line| *line != "```").collect(),
            _ => continue,
        };
        if fence == "```json" {
            let command = format!("cat > quota.json <<'JSON'\n{}\nJSON", block.join("\n"));
            steps.push(Step { command, shown: Vec::new() });
            continue;
        }
        for line in block {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                None => steps.last_mut().unwrap().shown.push(line.to_owned()),
            }
        }
    }
    // These two find the program, which here is found already.
    steps
        .into_iter()
        .filter(|step| !step.command.contains("cargo build") && !step.command.contains("export PATH"))
        .collect()
}

fn bash(folder: &Path, script: &str) -> Ended {
    let program = Path::new(env!("CARGO_BIN_EXE_svc-example")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!("cd {}\n{script}", folder.display());
    Program::new("bash").args(["-c", &script]).env("PATH", &path).run()
}

/// Runs commands one after another in one shell, and holds what each prints against the page.
fn follow(folder: &Path, steps: &[Step]) {
    let known = "[ -e secrets/config.identity ] && export RECIPIENT=\"$(svc-example config recipients secrets/config.identity)\"\n";
    let script = steps.iter().fold(known.to_owned(), |mut script, step| {
        writeln!(script, "echo '{MARK}'\n{} 2>&1", step.command).unwrap();
        script
    });
    // A here-document ends with its word alone on a line.
    let ended = bash(folder, &script.replace("\nJSON 2>&1", "\nJSON"));
    let printed: Vec<_> = ended.stdout.split(MARK).skip(1).collect();
    assert_eq!(printed.len(), steps.len(), "{ended:?}");
    for (step, printed) in steps.iter().zip(printed) {
        let printed: Vec<_> = printed.lines().skip(1).collect();
        assert!(!printed.iter().any(|line| line.contains("Usage:")), "{}: {printed:?}", step.command);
        if step.shown.is_empty() {
            continue;
        }
        assert_eq!(printed.len(), step.shown.len(), "{}: {printed:?}", step.command);
        for (printed, shown) in printed.iter().zip(&step.shown) {
            let matches =
                shown.strip_suffix("...").map_or(printed == shown, |start| printed.starts_with(start));
            assert!(matches, "{}: printed {printed:?}, the page shows {shown:?}", step.command);
        }
    }
}

#[test]
fn every_command_works_as_written_and_prints_what_the_page_shows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let steps = steps();
    let start = steps.iter().position(|step| step.command == START).unwrap();
    assert!(steps.len() > 12 && start > 8, "the page has lost its commands");
    follow(folder, &steps[..start]);

    let any_port = "echo '{\"httpPort\": 0}' | svc-example config seal --service metrics --identity secrets/config.identity \
        --output secrets/0xe3054017c1b1d214";
    assert!(bash(folder, any_port).status.success());
    let secrets = folder.join("secrets");
    let process =
        Program::service().args(["--config-dir", secrets.to_str().unwrap(), "--require-sealed"]).start();
    let rules = process.record("the rules", |record| record["message"] == "rules in effect");
    assert_eq!((&rules["rules"], &rules["from_file"]), (&2.into(), &true.into()));
    process.event(events::APP_STARTED);
    process.signal(Signal::SIGTERM);
    assert!(process.ended().status.success());

    follow(folder, &steps[start + 1..]);
    let identities = fs::read_to_string(secrets.join("config.identity")).unwrap();
    assert_eq!(identities.matches("AGE-SECRET-KEY-1").count(), 2);
    // Each of the two keys opens it, the new one alone too.
    fs::remove_file(secrets.join("config.identity")).unwrap();
    let with_new = "svc-example config open secrets/0xce1f32c680e1ef0b --identity new.identity";
    assert!(bash(folder, with_new).status.success());
}
