//! What is wrong with a config: every problem of a file, each with the path of the field that has it.

use std::fmt::{self, Write};

/// Of one file this many problems are told apart; the rest is counted.
const MAX_PROBLEMS: usize = 100;

/// A reason has at most so many characters.
const MAX_REASON_CHARS: usize = 300;

/// Of a text from a file this many characters are shown.
const MAX_QUOTED_CHARS: usize = 60;

/// One problem: prints as `metricSpecs.counterSpecs[1].help: must not be empty`, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    reason: String,
}

impl Problem {
    /// The field that has the problem, such as `rules[2].burst`; empty for the config as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl Problem {
    /// The same problem without what was found: of a sealed config, the path and the type of the problem are told.
    ///
    /// What counts as a value: text between double quotes, what follows the word "found", and words with digits.
    pub(crate) fn without_values(self) -> Self {
        let mut kept: Vec<&str> = Vec::new();
        // Every second part is between quotes; an escaped quote inside only makes more parts.
        for (index, part) in self.reason.split('"').enumerate() {
            if index % 2 == 1 {
                kept.push("\"..\"");
                continue;
            }
            for word in part.split_whitespace() {
                kept.push(if has_value(word) { ".." } else { word });
                if word == "found" {
                    kept.push("..");
                    return Self { reason: kept.join(" "), ..self };
                }
            }
        }
        Self { reason: kept.join(" "), ..self }
    }
}

/// Whether a word has digits, those of an index such as `rules[2]` not counted.
fn has_value(word: &str) -> bool {
    let mut in_index = false;
    word.chars().any(|c| {
        match c {
            '[' => in_index = true,
            ']' => in_index = false,
            _ => {}
        }
        c.is_ascii_digit() && !in_index
    })
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// Collects the problems of one config.
///
/// ```
/// use app_config::Problems;
///
/// let mut problems = Problems::new();
/// problems.at("rules").index(2).field("burst").add("must be at least permits");
///
/// let mut rules = problems.at("rules");
/// for (index, name) in ["a", ""].iter().enumerate() {
///     let mut rule = rules.index(index);
///     if name.is_empty() {
///         rule.field("name").add("must not be empty");
///     }
/// }
/// drop(rules);
///
/// assert_eq!(problems.to_string(), "rules[2].burst: must be at least permits; rules[1].name: must not be empty");
/// ```
#[derive(Debug, Default)]
pub struct Problems {
    /// The path of the innermost [`Place`] that exists.
    path: String,
    found: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A field of the config's outermost struct.
    pub fn at(&mut self, field: &str) -> Place<'_> {
        Place::enter(self, field, None)
    }

    /// The config as a whole.
    pub(crate) fn root(&mut self) -> Place<'_> {
        Place { outside: self.path.len(), problems: self }
    }

    /// Adds a problem of the config as a whole. The reason is one line, and repeats no secret.
    pub fn add(&mut self, reason: impl fmt::Display) {
        if self.found.len() >= MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let mut text = Shortened { text: String::new(), room: MAX_REASON_CHARS };
        // The one way to fail is that the text is full.
        let _full = write!(text, "{reason}");
        self.found.push(Problem { path: self.path.clone(), reason: text.text });
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len() + self.left_out
    }

    /// The problems in the order in which they were found; of very many the last one is their number.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let reason = format!("has {} more problems", self.left_out);
            self.found.push(Problem { path: String::new(), reason });
        }
        self.found
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        if self.left_out > 0 {
            write!(f, "; has {} more problems", self.left_out)?;
        }
        Ok(())
    }
}

/// A place in a config, while it is being looked at: problems are added to it, and places inside it entered from it.
#[derive(Debug)]
pub struct Place<'a> {
    problems: &'a mut Problems,
    /// Length of the path outside this place.
    outside: usize,
}

impl<'a> Place<'a> {
    fn enter(problems: &'a mut Problems, field: &str, index: Option<usize>) -> Self {
        let outside = problems.path.len();
        if let Some(index) = index {
            // Writing to a string does not fail.
            let _ = write!(problems.path, "[{index}]");
        } else {
            if outside > 0 {
                problems.path.push('.');
            }
            problems.path.push_str(field);
        }
        Self { problems, outside }
    }

    /// A field of the struct that is here.
    pub fn field(&mut self, name: &str) -> Place<'_> {
        Place::enter(self.problems, name, None)
    }

    /// An element of the list that is here, from 0.
    pub fn index(&mut self, index: usize) -> Place<'_> {
        Place::enter(self.problems, "", Some(index))
    }

    /// Adds a problem of what is here. The reason is one line, and repeats no secret. Put a value that it repeats between
    /// double quotes, as [`quoted`] does, or behind the word "found": of a sealed config it is left out then.
    pub fn add(&mut self, reason: impl fmt::Display) {
        self.problems.add(reason);
    }

    /// The value that Cap'n Proto read here, or a problem if it could not.
    pub fn value<T>(&mut self, read: capnp::Result<T>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(malformed(&error));
                None
            }
        }
    }

    /// The text that Cap'n Proto read here, or a problem if it could not, or if it is not UTF-8.
    pub fn text<'t>(&mut self, read: capnp::Result<capnp::text::Reader<'t>>) -> Option<&'t str> {
        let text = self.value(read)?;
        let Ok(text) = text.to_str() else {
            self.add("is not UTF-8");
            return None;
        };
        Some(text)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.problems.path.truncate(self.outside);
    }
}

/// What Cap'n Proto says about a value that it can't read.
pub(crate) fn malformed(error: &capnp::Error) -> String {
    format!("is malformed: {}", error.kind)
}

/// A number of things, in words: `1 byte`, `2 bytes`.
pub(crate) fn counted(count: impl Into<u128>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// A text from a file, as it may be shown to people: quoted, escaped, shortened.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    shown.extend(text.chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug));
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push_str("..");
    }
    shown.push('"');
    shown
}

/// A text of one line that grows to a limit.
struct Shortened {
    text: String,
    room: usize,
}

impl Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let Some(room) = self.room.checked_sub(1) else {
                self.text.push_str("..");
                return Err(fmt::Error);
            };
            self.room = room;
            if c.is_control() {
                self.text.extend(c.escape_debug());
            } else {
                self.text.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
