//! The fields of a config as a list of paths with their values. Secrets are recognized here, and nowhere else.
//!
//! All bytes are secrets. Text is a secret if its field, or a struct around it, has one of [`SECRET_WORDS`] in its name. Any value
//! is a secret if the comment of its field, or of a struct around it, has the word "secret".

use capnp::dynamic_value::Reader;
use capnp::introspect::TypeVariant;
use capnp::message::{Builder, ReaderSegments};
use capnp::schema::StructSchema;
use capnp::{dynamic_list, dynamic_struct};

use crate::codec::Message;
use crate::docs::comment;
use crate::json::{Tree, checked, default_of, init, is_active, leaf, members, read, scalar};
use crate::problems::{Place, Problems};

/// Words that name a secret.
pub(crate) const SECRET_WORDS: [&str; 6] = ["key", "secret", "password", "passphrase", "token", "credential"];

/// A field of a config that has a value.
pub(crate) struct Leaf {
    /// Such as `rules[2].burst`.
    pub(crate) path: String,
    pub(crate) value: LeafValue,
    /// Whether the value is the default of the schema.
    pub(crate) is_default: bool,
}

/// The value of a field. It has no `Debug`, because it may be a secret.
pub(crate) enum LeafValue {
    /// As in JSON.
    Plain(String),
    /// The number of elements of a list. The elements are leaves of their own.
    Elements(u32),
    /// Bytes, which are always a secret.
    Bytes(zeroize::Zeroizing<Vec<u8>>),
    /// Text or another value that is a secret.
    Secret(zeroize::Zeroizing<String>),
}

/// How much of a value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Secrecy {
    /// Bytes only.
    None,
    /// Text as well, because of a name.
    OfText,
    /// Everything, because of a comment.
    OfAll,
}

impl Secrecy {
    /// The secrecy of a member of something with this secrecy.
    fn inside(self, node: u64, name: &str) -> Self {
        self.max(if says_secret(comment(node, name)) {
            Self::OfAll
        } else if is_secret_name(name) {
            Self::OfText
        } else {
            Self::None
        })
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn says_secret(comment: &str) -> bool {
    comment.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("secret"))
}

/// The fields of a message of the struct type. `None` stands for a message with the defaults.
///
/// # Errors
/// The message does not match the type.
pub(crate) fn leaves(schema: StructSchema, message: Option<Message>) -> Result<Vec<Leaf>, Problems> {
    match message {
        Some(message) => leaves_of(schema, &message.into_segments(), usize::MAX).map(|found| found.leaves),
        None => default_leaves(schema, usize::MAX).map(|found| found.leaves),
    }
}

/// The first fields of a config, and how many more there are.
pub(crate) struct Found {
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) left_out: usize,
}

/// The fields of a message with the defaults, at most this many.
///
/// # Errors
/// The type cannot be read.
pub(crate) fn default_leaves(schema: StructSchema, most: usize) -> Result<Found, Problems> {
    let mut message = Builder::new_default();
    let mut problems = Problems::new();
    problems.root().value(init(&mut message, schema));
    leaves_of(schema, &message.get_segments_for_output(), most)
}

/// The fields of a message of the struct type, at most this many.
///
/// # Errors
/// The message does not match the type.
pub(crate) fn leaves_of<S: ReaderSegments>(
    schema: StructSchema,
    segments: &S,
    most: usize,
) -> Result<Found, Problems> {
    let message = checked(segments, schema)?;
    let mut problems = Problems::new();
    let mut walk = LeafWalk { path: String::new(), found: Found { leaves: Vec::new(), left_out: 0 }, most };
    let mut place = problems.root();
    if let Some(root) = place.value(read(&message, schema)) {
        let secrecy = Secrecy::None.inside(schema.get_proto().get_id(), "");
        walk.structure(root, secrecy, &mut place);
    }
    drop(place);
    if problems.is_empty() { Ok(walk.found) } else { Err(problems) }
}

struct LeafWalk {
    path: String,
    found: Found,
    most: usize,
}

impl LeafWalk {
    fn structure(&mut self, from: dynamic_struct::Reader<'_>, secrecy: Secrecy, place: &mut Place<'_>) {
        let node = from.get_schema().get_proto().get_id();
        for member in place.value(members(from.get_schema())).unwrap_or_default() {
            let outside = self.path.len();
            if outside > 0 {
                self.path.push('.');
            }
            self.path.push_str(member.name);
            let secrecy = secrecy.inside(node, member.name);
            let look = || -> capnp::Result<_> {
                let active = is_active(from, &member)?;
                let is_struct = matches!(member.what, TypeVariant::Struct(_));
                // Unset structs are skipped: a type that contains itself would never end.
                let there = active && (from.has(member.field)? || !is_struct);
                if !there {
                    return Ok(None);
                }
                let default = default_of(member.field)?.filter(|_| member.is_set_by_default());
                Ok(Some((from.get(member.field)?, default.and_then(leaf))))
            };
            if let Some(Some((value, default))) = place.value(look()) {
                self.value(value, default.as_ref(), secrecy, place);
            }
            self.path.truncate(outside);
        }
    }

    fn value(&mut self, value: Reader<'_>, default: Option<&Tree>, secrecy: Secrecy, place: &mut Place<'_>) {
        match value {
            Reader::Struct(value) => self.structure(value, secrecy, place),
            Reader::List(value) => self.list(value, secrecy, place),
            value => {
                let Some(tree) = leaf(value) else { return };
                let is_default = default == Some(&tree);
                let value = match value {
                    Reader::Data(bytes) => LeafValue::Bytes(bytes.to_vec().into()),
                    Reader::Text(text) if secrecy > Secrecy::None && !text.is_empty() => {
                        LeafValue::Secret(text.to_str().unwrap_or_default().to_owned().into())
                    }
                    _ if secrecy == Secrecy::OfAll && !is_default => LeafValue::Secret(scalar(&tree).into()),
                    _ => LeafValue::Plain(scalar(&tree)),
                };
                self.add(value, is_default);
            }
        }
    }

    fn list(&mut self, from: dynamic_list::Reader<'_>, secrecy: Secrecy, place: &mut Place<'_>) {
        self.add(LeafValue::Elements(from.len()), from.is_empty());
        if matches!(from.element_type().which(), TypeVariant::Void) {
            return;
        }
        for (index, item) in from.iter().enumerate() {
            let outside = self.path.len();
            self.path.push_str(&format!("[{index}]"));
            if let Some(item) = place.value(item) {
                self.value(item, None, secrecy, place);
            }
            self.path.truncate(outside);
        }
    }

    fn add(&mut self, value: LeafValue, is_default: bool) {
        if self.found.leaves.len() < self.most {
            self.found.leaves.push(Leaf { path: self.path.clone(), value, is_default });
        } else {
            self.found.left_out += 1;
        }
    }
}
