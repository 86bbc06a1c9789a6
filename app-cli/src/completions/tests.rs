//! Every command has help with an example, a manual page and completions. `docs/APPCTL.md` lists every command and no others.

use std::collections::BTreeSet;

use app_core::clap::Command;
use clap_complete::Shell;

const PAGE: &str = include_str!("../../../docs/APPCTL.md");

/// Commands that crates below contribute and test, or that have no examples.
const ELSEWHERE: [&str; 5] = ["completions", "config", "id", "man", "pki"];

/// Every subcommand, as words.
fn all(command: &Command) -> Vec<(Vec<String>, Command)> {
    let mut found = Vec::new();
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        found.push((vec![below.get_name().to_owned()], below.clone()));
        found.extend(all(below).into_iter().map(|(mut words, command)| {
            words.insert(0, below.get_name().to_owned());
            (words, command)
        }));
    }
    found
}

fn built() -> Command {
    let mut command = crate::command();
    command.build();
    command
}

#[test]
fn every_command_has_an_example_a_page_and_completions() {
    let mut scripts = Vec::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut crate::command(), "appctl", &mut script);
        scripts.push(String::from_utf8(script).unwrap());
    }
    let all = all(&built());
    assert!(all.len() > 30, "{}", all.len());
    for (words, mut command) in all {
        let help = command.render_long_help().to_string();
        let example = format!("appctl {}", words.join(" "));
        assert!(ELSEWHERE.contains(&words[0].as_str()) || help.contains(&example), "{example}: {help}");
        let mut page = Vec::new();
        super::render(&words, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(&format!("appctl\\-{}", words.join("\\-"))), "{words:?}: {page}");
        for script in &scripts {
            assert!(script.contains(&words[words.len() - 1]), "{words:?}");
        }
    }
}

/// The command lines of the page, in scripts and in text.
fn lines() -> Vec<Vec<&'static str>> {
    let (mut lines, mut in_block) = (Vec::new(), false);
    for line in PAGE.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let command =
                line.split_once("appctl ").and_then(|(_, command)| command.split(['|', ';', '>']).next());
            lines.extend(command);
        } else {
            lines.extend(line.split('`').filter_map(|text| text.strip_prefix("appctl ")));
        }
    }
    lines.into_iter().map(|line| line.split_whitespace().collect()).collect()
}

#[test]
fn the_page_has_every_command_and_what_it_has_exists() {
    let all = all(&built());
    let mut seen = BTreeSet::new();
    let lines: Vec<_> = lines().into_iter().filter(|line: &Vec<&str>| line[0] != "COMMAND").collect();
    assert!(lines.len() > 40, "{}", lines.len());
    for line in lines {
        let longest = all
            .iter()
            .filter(|(words, _)| line.starts_with(&words.iter().map(String::as_str).collect::<Vec<_>>()));
        let longest = longest.max_by_key(|(words, _)| words.len());
        let (words, command) = longest.unwrap_or_else(|| panic!("no command: {line:?}"));
        // An operation has flags that only the app knows.
        let flags = line.iter().filter_map(|word| word.strip_prefix("--"));
        for flag in flags.filter(|_| words[0] != "do" || line.len() < 3) {
            let flag = flag.split('=').next().unwrap();
            let mut known = command.get_arguments().filter_map(|arg| arg.get_long());
            assert!(known.any(|known| known == flag), "{line:?}: --{flag}");
        }
        seen.insert(words.clone());
    }
    for (words, command) in all.iter().filter(|(words, _)| !ELSEWHERE.contains(&words[0].as_str())) {
        let group = command.get_subcommands().any(|below| below.get_name() != "help");
        assert!(group || seen.contains(words), "{words:?} is not on the page");
    }
}
