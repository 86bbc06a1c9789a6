//! Tries the commands of a page of the documentation as they are written.

use std::{fmt::Write as _, path::Path};

use crate::program::{Ended, Program};

/// Marker before the output of each command.
const MARK: &str = "--8<--";

/// A command of the page, and the output that the page shows.
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) shown: Vec<String>,
}

/// The commands of the page in order. A block of JSON becomes a command that writes it to `quota.json`.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::<Step>::new();
    let mut lines = page.lines();
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
    // These two commands find the program. The test has set `PATH` already.
    steps
        .into_iter()
        .filter(|step| !step.command.contains("cargo build") && !step.command.contains("export PATH"))
        .collect()
}

/// Runs a script with the built programs in its `PATH`.
pub(crate) fn bash(folder: &Path, script: &str) -> Ended {
    let program = e2e::folder();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!("cd {}\n{script}", folder.display());
    Program::new("bash").args(["-c", &script]).env("PATH", &path).run()
}

/// Runs the commands in one shell, after a script that sets what the page assumes. Compares the output of each with the page.
pub(crate) fn follow(folder: &Path, known: &str, steps: &[Step]) {
    let script = steps.iter().fold(format!("{known}\n"), |mut script, step| {
        writeln!(script, "echo '{MARK}'\n{} 2>&1", step.command).unwrap();
        script
    });
    // The last line of a here-document must contain its word alone.
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
