//! The difference between two configs, field by field. Secrets are shown as digests.

use std::collections::HashMap;
use std::fmt;

use capnp::dynamic_value::Reader;
use capnp::message::{Builder, ReaderSegments};
use capnp::schema::StructSchema;
use capnp::{dynamic_list, dynamic_struct};
use sha2::{Digest, Sha256};

use crate::codec::Message;
use crate::json::{Tree, checked, default_of, init, is_active, leaf, members, read, scalar};
use crate::problems::{Place, Problems, counted};

/// Text is a secret if its field, or a struct around it, has one of these words in its name. All bytes are secrets.
const SECRET_WORDS: [&str; 3] = ["key", "secret", "password"];

/// A field that differs. Prints as `rules[0].permits: 100 -> 200`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    path: String,
    before: Option<String>,
    after: Option<String>,
}

impl Change {
    /// The field, such as `rules[2].burst`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value before, as in JSON. Secrets are shown as a digest, lists by the number of elements. `None` if the struct around
    /// the field was not set.
    #[must_use]
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// The value after, in the same form as [`before`](Self::before).
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{}: {} -> {}", self.path, shown(&self.before), shown(&self.after))
    }
}

/// The difference between two messages of the struct type. `None` stands for a message with the defaults.
///
/// A field that is not set has its default. Elements of lists are compared by their index.
///
/// # Errors
/// A message does not match the type.
pub fn diff(
    schema: StructSchema,
    before: Option<Message>,
    after: Option<Message>,
) -> Result<Vec<Change>, Problems> {
    let (before, after) = (leaves(schema, before)?, leaves(schema, after)?);
    let places: HashMap<_, _> =
        before.iter().enumerate().map(|(at, leaf)| (leaf.path.as_str(), at)).collect();
    let mut found = vec![false; before.len()];
    let mut changes = Vec::new();
    let mut last = 0;
    for leaf in &after {
        let old = places.get(leaf.path.as_str()).copied();
        if let Some(at) = old {
            found[at] = true;
            last = at;
        }
        let old = old.and_then(|at| before.get(at));
        let differs = old.map_or(!leaf.is_default, |old| old.shown != leaf.shown);
        if differs {
            let change = Change {
                path: leaf.path.clone(),
                before: old.map(|old| old.shown.clone()),
                after: Some(leaf.shown.clone()),
            };
            changes.push((last, change));
        }
    }
    for (at, leaf) in before.iter().enumerate().filter(|(at, leaf)| !found[*at] && !leaf.is_default) {
        let change = Change { path: leaf.path.clone(), before: Some(leaf.shown.clone()), after: None };
        changes.push((at, change));
    }
    // In the order of the first message. A new field comes after the one before it.
    changes.sort_by_key(|(at, _)| *at);
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

/// A value in a config.
struct Leaf {
    path: String,
    shown: String,
    is_default: bool,
}

fn leaves(schema: StructSchema, message: Option<Message>) -> Result<Vec<Leaf>, Problems> {
    match message {
        Some(message) => leaves_of(schema, &message.into_segments()),
        None => {
            let mut message = Builder::new_default();
            let mut problems = Problems::new();
            problems.root().value(init(&mut message, schema));
            leaves_of(schema, &message.get_segments_for_output())
        }
    }
}

fn leaves_of<S: ReaderSegments>(schema: StructSchema, segments: &S) -> Result<Vec<Leaf>, Problems> {
    let message = checked(segments, schema)?;
    let mut problems = Problems::new();
    let mut leaves = Leaves { path: String::new(), found: Vec::new() };
    let mut place = problems.root();
    if let Some(root) = place.value(read(&message, schema)) {
        leaves.structure(root, false, &mut place);
    }
    drop(place);
    if problems.is_empty() { Ok(leaves.found) } else { Err(problems) }
}

struct Leaves {
    path: String,
    found: Vec<Leaf>,
}

impl Leaves {
    fn structure(&mut self, from: dynamic_struct::Reader<'_>, secret: bool, place: &mut Place<'_>) {
        for member in place.value(members(from.get_schema())).unwrap_or_default() {
            let outside = self.path.len();
            if outside > 0 {
                self.path.push('.');
            }
            self.path.push_str(member.name);
            let secret = secret || is_secret(member.name);
            let look = || -> capnp::Result<_> {
                let active = is_active(from, &member)?;
                let is_struct = matches!(member.what, capnp::introspect::TypeVariant::Struct(_));
                // Unset structs are skipped: a type that contains itself would never end.
                let there = active && (from.has(member.field)? || !is_struct);
                if !there {
                    return Ok(None);
                }
                let default = default_of(member.field)?.filter(|_| member.is_set_by_default());
                Ok(Some((from.get(member.field)?, default.and_then(leaf))))
            };
            if let Some(Some((value, default))) = place.value(look()) {
                self.value(value, default.as_ref(), secret, place);
            }
            self.path.truncate(outside);
        }
    }

    fn value(&mut self, value: Reader<'_>, default: Option<&Tree>, secret: bool, place: &mut Place<'_>) {
        match value {
            Reader::Struct(value) => self.structure(value, secret, place),
            Reader::List(value) => self.list(value, secret, place),
            value => {
                let Some(tree) = leaf(value) else { return };
                let is_default = default == Some(&tree);
                let shown = match value {
                    // No bytes are no secret.
                    Reader::Data([]) => "no bytes".to_owned(),
                    Reader::Data(bytes) => {
                        format!("{} ({})", digest(bytes), counted(bytes.len() as u64, "byte"))
                    }
                    Reader::Text(text) if secret && !text.is_empty() => digest(text.as_bytes()),
                    _ => scalar(&tree),
                };
                self.found.push(Leaf { path: self.path.clone(), shown, is_default });
            }
        }
    }

    fn list(&mut self, from: dynamic_list::Reader<'_>, secret: bool, place: &mut Place<'_>) {
        let shown = counted(from.len(), "element");
        self.found.push(Leaf { path: self.path.clone(), shown, is_default: from.is_empty() });
        if matches!(from.element_type().which(), capnp::introspect::TypeVariant::Void) {
            return;
        }
        for (index, item) in from.iter().enumerate() {
            let outside = self.path.len();
            self.path.push_str(&format!("[{index}]"));
            if let Some(item) = place.value(item) {
                self.value(item, None, secret, place);
            }
            self.path.truncate(outside);
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A short digest that shows whether a secret changed.
fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256 {first}")
}
