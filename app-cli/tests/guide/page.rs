//! The steps of the page, and what is to be done with each of its blocks.

use crate::edit::Change;

/// A section of the page.
pub(crate) struct Step {
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
}

/// A block of the page. Blocks of `sh` and `text` are only to be read.
pub(crate) enum Block {
    /// A block of `console`.
    Commands(Vec<Command>),
    /// Lines of a file that is there. The block begins with `// from FILE`.
    From { file: String, text: String },
    /// A new file. The block begins with `// FILE` or `# FILE`. A block of JSON has its name in the text above, between `**`.
    File { file: String, text: String },
    /// A block of `diff`.
    Change(Vec<Change>),
}

/// A command, and the lines that it prints. No lines: the page does not show them.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) line: String,
    pub(crate) shown: Vec<String>,
}

impl Step {
    /// Whether a block of the step changes code.
    pub(crate) fn changes_code(&self) -> bool {
        self.blocks.iter().any(|block| match block {
            Block::Change(_) => true,
            Block::File { file, .. } => file.ends_with(".rs"),
            Block::Commands(_) | Block::From { .. } => false,
        })
    }
}

/// The sections of the page that have a number, in order.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let sections = page.split("\n## ").skip(1);
    sections
        .map(|section| {
            let (title, text) = section.split_once('\n').unwrap();
            Step { title: title.to_owned(), blocks: blocks(text) }
        })
        .collect()
}

/// The lines of all blocks of a language.
pub(crate) fn of_language<'a>(page: &'a str, language: &str) -> Vec<Vec<&'a str>> {
    fenced(page).into_iter().filter(|block| block.language == language).map(|block| block.lines).collect()
}

/// A block as it stands on the page, and the last text before it between `**`.
struct Fenced<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
    named: Option<&'a str>,
}

fn fenced(text: &str) -> Vec<Fenced<'_>> {
    let (mut blocks, mut lines, mut named) = (Vec::new(), text.lines(), None);
    while let Some(line) = lines.next() {
        named = line.split("**").nth(1).or(named);
        let Some(language) = line.strip_prefix("```") else { continue };
        let lines = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Fenced { language, lines, named: named.take() });
    }
    blocks
}

fn blocks(text: &str) -> Vec<Block> {
    let block = |Fenced { language, lines, named }| match language {
        "console" => Some(Block::Commands(commands(&lines))),
        "diff" => Some(Block::Change(Change::parse(&lines))),
        "rust" | "toml" => Some(code(&lines)),
        "json" => Some(Block::File { file: named.unwrap().to_owned(), text: joined(&lines) }),
        "sh" | "text" => None,
        _ => panic!("a block of {language:?}: say in the test what it means"),
    };
    fenced(text).into_iter().filter_map(block).collect()
}

/// The commands of a block of `console`.
pub(crate) fn commands(block: &[&str]) -> Vec<Command> {
    let mut commands = Vec::<Command>::new();
    for line in block {
        match line.strip_prefix("$ ") {
            Some(line) => commands.push(Command { line: line.to_owned(), shown: Vec::new() }),
            None => commands.last_mut().unwrap().shown.push((*line).to_owned()),
        }
    }
    commands
}

fn code(block: &[&str]) -> Block {
    let (first, rest) = block.split_first().unwrap();
    let name = first.strip_prefix("// ").or(first.strip_prefix("# "));
    let name = name.unwrap_or_else(|| panic!("the block begins with {first:?}, not with its file"));
    match name.strip_prefix("from ") {
        Some(file) => Block::From { file: file.to_owned(), text: joined(rest) },
        None => Block::File { file: name.to_owned(), text: joined(block) },
    }
}

fn joined(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}
