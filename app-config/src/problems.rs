//! The problems of a config, each with the path of its field.

mod remark;

use std::borrow::Cow;
use std::fmt::{self, Write};

use app_errors::Hostile;

pub use self::remark::Remark;

/// How many problems of a file are listed. Further ones are counted.
const MAX_PROBLEMS: usize = 100;

/// The most characters of a reason.
const MAX_REASON_CHARS: usize = 300;

/// How many characters of a text from a file are shown.
const MAX_QUOTED_CHARS: usize = 60;

/// One problem. Prints one line such as `metricSpecs.counterSpecs[1].help: must not be empty`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    reason: String,
}

impl Problem {
    /// The field with the problem, such as `rules[2].burst`; empty for the config as a whole.
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

/// A rule of a config, in a text that has no value of the config: `must be 1 to 65535`.
///
/// A fixed text converts into a rule. For a text with inserted parts use [`Expected::of_code`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected(Cow<'static, str>);

impl Expected {
    /// A rule with parts that the code inserts: bounds, names of fields, indexes of list elements.
    ///
    /// The text is shown for sealed configs too. No part of it may come from the config.
    #[must_use]
    pub fn of_code(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }
}

impl From<&'static str> for Expected {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
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
/// You pass rules and values separately. [`hiding_values`](Self::hiding_values) leaves the values out, so that no text shows a value
/// of a sealed config.
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
/// problems.at("port").add_found("must be 1 to 65535", 70_000);
///
/// let told = "rules[2].burst: must be at least permits; rules[1].name: must not be empty; port: must be 1 to 65535";
/// assert_eq!(problems.to_string(), format!("{told}, found 70000"));
/// ```
#[derive(Debug, Default)]
pub struct Problems {
    /// The path of the innermost [`Place`].
    path: String,
    found: Vec<Problem>,
    left_out: usize,
    hides_values: bool,
    remarks: Vec<Remark>,
}

impl Problems {
    /// No problems.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No problems, for a sealed config: values are left out of every problem, and not kept.
    ///
    /// ```
    /// let mut problems = app_config::Problems::hiding_values();
    /// problems.at("port").add_found("must be 1 to 65535", 70_000);
    /// assert_eq!(problems.to_string(), "port: must be 1 to 65535");
    /// ```
    #[must_use]
    pub fn hiding_values() -> Self {
        Self::of_source(true)
    }

    /// No problems, for a config from a file that is sealed or not.
    pub(crate) fn of_source(sealed: bool) -> Self {
        Self { hides_values: sealed, ..Self::default() }
    }

    /// Whether values are left out.
    #[must_use]
    pub fn hides_values(&self) -> bool {
        self.hides_values
    }

    /// A field of the config's outermost struct.
    pub fn at(&mut self, field: &'static str) -> Place<'_> {
        Place::enter(self, field, None)
    }

    /// The config as a whole.
    pub(crate) fn root(&mut self) -> Place<'_> {
        Place { outside: self.path.len(), problems: self }
    }

    /// Adds a problem of the config as a whole. `rule` is the rule that it breaks.
    pub fn add(&mut self, rule: impl Into<Expected>) {
        self.push(rule.into().0);
    }

    /// As [`add`](Self::add), with the value that was found. The value is left out if the config is sealed.
    pub fn add_found(&mut self, rule: impl Into<Expected>, value: impl fmt::Display) {
        let rule = rule.into();
        self.add_in_full(rule.clone(), format_args!("{}, found {value}", rule.0));
    }

    /// As [`add`](Self::add), with two texts. `in_full` may have values, and replaces `rule` where values are shown.
    pub fn add_in_full(&mut self, rule: impl Into<Expected>, in_full: impl fmt::Display) {
        if self.hides_values { self.push(rule.into().0) } else { self.push(in_full) }
    }

    fn push(&mut self, reason: impl fmt::Display) {
        if self.found.len() >= MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        let problem = self.here(reason);
        self.found.push(problem);
    }

    /// A problem of the current place.
    fn here(&self, reason: impl fmt::Display) -> Problem {
        let mut text = Shortened { text: String::new(), room: MAX_REASON_CHARS, hostile: Hostile::default() };
        // Fails only if the text is full.
        let _full = write!(text, "{reason}");
        Problem { path: self.path.clone(), reason: text.text }
    }

    /// Whether there are no problems.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The number of problems.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len() + self.left_out
    }

    /// The problems in the order in which they were added. If some were only counted, the last one has their number.
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

/// A place in a config: the struct, field or list element that is being read. You add problems to it, and enter places inside it.
#[derive(Debug)]
pub struct Place<'a> {
    problems: &'a mut Problems,
    /// The length of the path around this place.
    outside: usize,
}

impl<'a> Place<'a> {
    fn enter(problems: &'a mut Problems, field: &str, index: Option<usize>) -> Self {
        let outside = problems.path.len();
        if let Some(index) = index {
            // Writing to a string succeeds.
            let _ = write!(problems.path, "[{index}]");
        } else {
            if outside > 0 {
                problems.path.push('.');
            }
            problems.path.push_str(field);
        }
        Self { problems, outside }
    }

    /// A field of the struct at this place. Paths are shown for sealed configs too, so the name must come from the code.
    pub fn field(&mut self, name: &'static str) -> Place<'_> {
        Place::enter(self.problems, name, None)
    }

    /// As [`field`](Self::field), with a name from the schema, or from JSON whose author reads the problem.
    pub(crate) fn named(&mut self, name: &str) -> Place<'_> {
        Place::enter(self.problems, name, None)
    }

    /// An element of the list at this place. Indexes start at 0.
    pub fn index(&mut self, index: usize) -> Place<'_> {
        Place::enter(self.problems, "", Some(index))
    }

    /// Adds a problem of this place. `rule` is the rule that it breaks.
    pub fn add(&mut self, rule: impl Into<Expected>) {
        self.problems.add(rule);
    }

    /// As [`add`](Self::add), with the value that was found. The value is left out if the config is sealed.
    pub fn add_found(&mut self, rule: impl Into<Expected>, value: impl fmt::Display) {
        self.problems.add_found(rule, value);
    }

    /// As [`add`](Self::add), with two texts. `in_full` may have values, and replaces `rule` where values are shown.
    pub fn add_in_full(&mut self, rule: impl Into<Expected>, in_full: impl fmt::Display) {
        self.problems.add_in_full(rule, in_full);
    }

    /// Adds a problem of JSON. Only its author reads the problem, so the text may repeat values.
    pub(crate) fn add_of_json(&mut self, text: impl fmt::Display) {
        self.problems.add_in_full("does not match the schema", text);
    }

    /// Adds the problem that Cap'n Proto could not read this place.
    pub(crate) fn add_malformed(&mut self, error: &capnp::Error) {
        self.add_in_full("is malformed", format_args!("is malformed: {}", error.kind));
    }

    /// Adds a warning: the config is accepted, but a part of it will not do what its author expects. The texts are those of
    /// [`add_in_full`](Self::add_in_full).
    pub fn warn(&mut self, rule: impl Into<Expected>, in_full: impl fmt::Display) {
        self.problems.warn(rule, in_full);
    }

    /// Adds a note that explains what the config means. A note may have values, so it is left out if the config is sealed.
    pub fn note(&mut self, in_full: impl fmt::Display) {
        self.problems.note(in_full);
    }

    /// The value that Cap'n Proto read. Adds a problem if it could not.
    pub fn value<T>(&mut self, read: capnp::Result<T>) -> Option<T> {
        read.map_err(|error| self.add_malformed(&error)).ok()
    }

    /// The text that Cap'n Proto read. Adds a problem if it could not, or if the text is not UTF-8.
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

/// A number with its noun: `1 byte`, `2 bytes`.
pub(crate) fn counted(count: impl Into<u128>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// A text from a file for people: quoted, escaped and shortened.
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

/// One line of text that grows up to a limit.
struct Shortened {
    text: String,
    room: usize,
    hostile: Hostile,
}

impl Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let Some(room) = self.room.checked_sub(1) else {
                self.text.push_str("..");
                return Err(fmt::Error);
            };
            self.room = room;
            if self.hostile.is(c) {
                self.text.extend(c.escape_default());
            } else {
                self.text.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
