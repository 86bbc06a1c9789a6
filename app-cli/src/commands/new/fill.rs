//! Fills names, ids, versions and the platform into templates.

use std::collections::BTreeMap;

use super::names::NewName;
use super::platform::Platform;
use super::templates::{self, Template};

/// Ids in templates are this number and a small one. Each stands for an id of its own.
const FIRST_ID: u64 = 0x9d00_0000_0000_0000;
/// Ids in templates that are filled in.
const IDS: u64 = 0x20;
/// Cap'n Proto wants the highest bit of its ids to be set.
const HIGHEST_BIT: u64 = 1 << 63;

/// What is filled into the templates of one command. Ids are new ones in each.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    pub(super) name: &'a NewName,
    pub(super) platform: Option<&'a Platform>,
    ids: BTreeMap<u64, u64>,
}

/// The files of a new folder: paths below it, and texts.
pub(super) type Files = BTreeMap<String, String>;

impl<'a> Filling<'a> {
    pub(super) fn new(name: &'a NewName, platform: Option<&'a Platform>) -> Self {
        let fresh = |number: u64| (FIRST_ID | number, app_ids::random_u64() | HIGHEST_BIT);
        Self { name, platform, ids: (0..IDS).map(fresh).collect() }
    }

    /// The files of some templates, below a folder of the new one.
    pub(super) fn files(&self, templates: &[Template], folder: &str) -> Files {
        let file = |(path, text): &Template| (folder.to_owned() + &self.names(path), self.text(path, text));
        templates.iter().map(file).collect()
    }

    fn text(&self, path: &str, template: &str) -> String {
        let text = self.tokens(&self.with_ids(&self.names(template)));
        // Tables of ids are sorted by them.
        if path.ends_with("/docs.rs") || path.ends_with("/layout.txt") { sorted_by_id(&text) } else { text }
    }

    fn names(&self, template: &str) -> String {
        let name = self.name;
        let mut text = template.to_owned();
        for of in ["app", "service"] {
            text =
                text.replace(&format!("my-{of}"), name.kebab()).replace(&format!("my_{of}"), &name.snake());
            text = text.replace(&format!("MY_{}", of.to_uppercase()), &name.screaming());
        }
        text.replace("MyService", &name.pascal())
    }

    fn with_ids(&self, template: &str) -> String {
        let mut text = template.to_owned();
        for (old, new) in &self.ids {
            text = text.replace(&format!("{old:#018x}"), &format!("{new:#018x}"));
            text = text.replace(&grouped(*old), &grouped(*new));
            text = text.replace(&as_bytes(*old), &as_bytes(*new));
        }
        text
    }

    /// Replaces `@version:CRATE@`, `@platform:FOLDER@` and the words of the platform.
    fn tokens(&self, template: &str) -> String {
        let mut text = template.replace("@rust-version@", templates::rust_version().unwrap_or("1.95"));
        text =
            replaced_with(&text, "@version:", |name| templates::version(name).unwrap_or("\"*\"").to_owned());
        let Some(platform) = self.platform else { return text };
        text = replaced_with(&text, "@platform:", |folder| platform.dependency(folder));
        let (context, copy, note) = match platform.path() {
            Some(path) => (
                format!(" --build-context platform={}", shell_quoted(path)),
                format!("COPY --from=platform --exclude=target --exclude=.git {}\n", json_list(&[".", path])),
                format!("\n#\n# Needs the platform in the folder {path}: Cargo.toml names it."),
            ),
            None => (String::new(), String::new(), String::new()),
        };
        text.replace("@docker-context@", &context).replace("@docker-copy@", &copy).replace("@ci-note@", &note)
    }
}

/// As code that is written by people: `0x9d00_0000_0000_0001`.
fn grouped(id: u64) -> String {
    format!("0x{:04x}_{:04x}_{:04x}_{:04x}", id >> 48, (id >> 32) & 0xffff, (id >> 16) & 0xffff, id & 0xffff)
}

/// As generated code has it in a message: eight bytes, the lowest first.
fn as_bytes(id: u64) -> String {
    let bytes = id.to_le_bytes().map(|byte| byte.to_string());
    format!("word({})", bytes.join(", "))
}

/// Replaces each `{begin}..@`.
fn replaced_with(text: &str, begin: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(begin);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('@').unwrap_or((part, ""));
        filled += &value(name);
        filled += rest;
    }
    filled
}

/// Sorts the lines that begin with an id. Lines of one id keep their order.
fn sorted_by_id(text: &str) -> String {
    let id = |line: &str| {
        let at = line.trim_start_matches([' ', '(']).strip_prefix("0x")?;
        u64::from_str_radix(at.get(..16)?, 16).ok()
    };
    let (mut with_id, mut sorted) = (Vec::new(), Vec::new());
    for line in text.lines() {
        match id(line) {
            Some(id) => with_id.push((id, line)),
            None => sorted.push(line),
        }
    }
    with_id.sort_by_key(|(id, _)| *id);
    // The lines with ids are in one place.
    let place = text.lines().position(|line| id(line).is_some()).unwrap_or(sorted.len());
    drop(sorted.splice(place..place, with_id.into_iter().map(|(_, line)| line)));
    sorted.iter().map(|line| format!("{line}\n")).collect()
}

fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn json_list(texts: &[&str]) -> String {
    serde_json::json!(texts).to_string()
}

#[cfg(test)]
mod tests;
