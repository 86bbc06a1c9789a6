//! The difference between two configs, field by field. Secrets are shown as digests.

use std::collections::HashMap;
use std::fmt;

use capnp::schema::StructSchema;
use sha2::{Digest, Sha256};

use crate::codec::Message;
use crate::leaves::{Leaf, LeafValue, leaves};
use crate::problems::{Problems, counted};

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
    let (before, after) = (shown(schema, before)?, shown(schema, after)?);
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

/// A field with its value as it is shown.
struct Shown {
    path: String,
    shown: String,
    is_default: bool,
}

fn shown(schema: StructSchema, message: Option<Message>) -> Result<Vec<Shown>, Problems> {
    let show = |Leaf { path, value, is_default }| {
        let shown = match value {
            // No bytes are no secret.
            LeafValue::Bytes(bytes) if bytes.is_empty() => "no bytes".to_owned(),
            LeafValue::Bytes(bytes) => {
                format!("{} ({})", digest(&bytes), counted(bytes.len() as u64, "byte"))
            }
            LeafValue::Secret(text) => digest(text.as_bytes()),
            LeafValue::Elements(number) => counted(number, "element"),
            LeafValue::Plain(text) => text,
        };
        Shown { path, shown, is_default }
    };
    Ok(leaves(schema, message)?.into_iter().map(show).collect())
}

/// A short digest that shows whether a secret changed.
fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256 {first}")
}
