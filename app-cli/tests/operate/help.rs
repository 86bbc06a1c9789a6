//! Every command has help with an example, a manual page, and completions.

use std::collections::BTreeSet;

use crate::files::Files;
use crate::stand::{appctl, run};

/// The commands below these words, by the list that help gives.
async fn commands(files: &Files, words: &[String]) -> Vec<Vec<String>> {
    let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
    args.push("--help");
    let help = run(appctl(files.path(), &args)).await.printed();
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let names = list.lines().take_while(|line| line.starts_with("  ")).filter_map(|line| {
        // What is indented further is the rest of the line before.
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then(|| name.to_owned())
    });
    names.map(|name| [words, &[name]].concat()).collect()
}

/// Every command, as words.
pub(crate) async fn all_commands(files: &Files) -> BTreeSet<Vec<String>> {
    let mut open = commands(files, &[]).await;
    let mut all = BTreeSet::new();
    while let Some(words) = open.pop() {
        open.extend(commands(files, &words).await);
        all.insert(words);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_has_an_example_a_page_and_completions() {
    let files = Files::new();
    let all = all_commands(&files).await;
    for wanted in
        ["status", "services", "restart", "health", "level", "metrics", "stacks", "events", "reload", "kill"]
    {
        assert!(all.contains(&vec![wanted.to_owned()]), "{wanted} in {all:?}");
    }
    assert!(all.contains(&vec!["health".to_owned(), "pause".to_owned()]), "{all:?}");
    let mut completions = Vec::new();
    for shell in ["bash", "zsh", "fish"] {
        completions.push(run(appctl(files.path(), &["completions", shell])).await.printed_raw());
    }
    for words in &all {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let help = run(appctl(files.path(), &[&words[..], &["--help"]].concat())).await.printed();
        let example = format!("appctl {}", words.join(" "));
        let own = ["config", "pki", "id", "completions", "man"].contains(&words[0]);
        assert!(own || help.contains(&example), "{example}: {help}");
        let page = run(appctl(files.path(), &[&["man"][..], &words].concat())).await.printed_raw();
        assert!(page.contains(&format!("appctl\\-{}", words.join("\\-"))), "{words:?}: {page}");
        for script in &completions {
            assert!(script.contains(words[words.len() - 1]), "{words:?}");
        }
    }
}
