//! JSON to a message: a value that does not match its field is a problem.

mod data;
mod scalar;

use std::fmt;
use std::mem;
use std::path::Path;

use capnp::introspect::{Type, TypeVariant};
use capnp::schema::StructSchema;
use capnp::{dynamic_list, dynamic_struct, dynamic_value};

use super::draft::Draft;
use super::member::{Member, members};
use super::near::nearest;
use super::parse::parse;
use super::root;
use super::tree::Tree;
use crate::limits::{MAX_MESSAGE_WORDS, MAX_NESTING};
use crate::problems::{Expected, Place, Problems, quoted};

/// The most bytes of JSON: 8 MiB, several times the JSON of the largest message.
pub const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;

/// Reads JSON as a message of the struct type. `"@name"` means the content of a file in the folder `files`. It is refused if there
/// is no folder.
///
/// Only the schema is checked. [`ConfigSchema::validate`](crate::ConfigSchema::validate) checks whether the service accepts the
/// message. [`compile`](crate::author::compile) does both.
///
/// # Errors
/// Everything that does not match the schema.
pub fn from_json(schema: StructSchema, json: &str, files: Option<&Path>) -> Result<Draft, Problems> {
    let mut problems = Problems::new();
    let mut message = Draft::new();
    if json.len() > MAX_JSON_BYTES {
        problems.add(Expected::of_code(format_args!(
            "is larger than {MAX_JSON_BYTES} bytes, the most that is read as JSON"
        )));
        return Err(problems);
    }
    if json.starts_with('\u{feff}') {
        problems.add("begins with a byte order mark, as some editors write it: save it as UTF-8 without one");
        return Err(problems);
    }
    match parse(json) {
        Ok(tree) => {
            let mut place = problems.root();
            let mut reading = Reading { files, words_left: MAX_MESSAGE_WORDS, depth: 0 };
            if let Some(to) = place.value(root::init(&mut message, schema))
                && reading.takes_struct(schema, &mut place)
            {
                reading.depth = 1;
                reading.structure(to, &tree, &mut place);
            }
        }
        Err(error) => problems.root().add_of_json(format_args!("is not JSON: {error}")),
    }
    if problems.is_empty() { Ok(message) } else { Err(problems) }
}

/// The state while a message is made.
struct Reading<'f> {
    files: Option<&'f Path>,
    words_left: usize,
    /// How many pointers lead to the current value. The reader of the message counts in the same way.
    depth: u16,
}

impl Reading<'_> {
    fn structure(&mut self, mut to: dynamic_struct::Builder<'_>, tree: &Tree, place: &mut Place<'_>) {
        let Tree::Object(entries) = tree else { return expected("an object", tree, place) };
        let Some(members) = place.value(members(to.get_schema())) else { return };
        let mut given = vec![false; members.len()];
        let mut chosen = None;
        for (name, value) in entries {
            let Some(index) = members.iter().position(|member| member.name == name) else {
                unknown(name, &members, place);
                continue;
            };
            let member = &members[index];
            let mut place = place.named(name);
            if mem::replace(&mut given[index], true) {
                place.add("is given twice");
            } else if member.in_union.is_none() {
                self.member(to.reborrow(), member, value, &mut place);
            } else if let Some(other) = chosen {
                place.add_of_json(format_args!(
                    "can't be given together with {other}: it is one or the other"
                ));
            } else {
                chosen = Some(member.name);
                self.member(to.reborrow(), member, value, &mut place);
            }
        }
    }

    fn member(
        &mut self,
        mut to: dynamic_struct::Builder<'_>,
        member: &Member,
        value: &Tree,
        place: &mut Place<'_>,
    ) {
        let field = member.field;
        match member.what {
            TypeVariant::Struct(_) if member.is_group => {
                if let Some(dynamic_value::Builder::Struct(group)) = place.value(to.init(field)) {
                    self.structure(group, value, place);
                }
            }
            TypeVariant::Struct(schema) => {
                if self.takes_struct(schema.into(), place)
                    && let Some(dynamic_value::Builder::Struct(to)) = place.value(to.init(field))
                {
                    self.inside(place, |this, place| this.structure(to, value, place));
                }
            }
            TypeVariant::List(element) => {
                self.list(element, value, place, |length| to.initn(field, length));
            }
            TypeVariant::Data => {
                if let Some(bytes) = data::read(value, self.files, place)
                    && self.takes(bytes.len() / 8 + 1, place)
                {
                    place.value(to.set(field, dynamic_value::Reader::Data(&bytes)));
                }
            }
            TypeVariant::AnyPointer | TypeVariant::Capability => place.add(NOT_IN_JSON),
            what => {
                if let Some(value) = self.scalar(what, value, place) {
                    place.value(to.set(field, value));
                }
            }
        }
    }

    fn list<'a>(
        &mut self,
        element: Type,
        tree: &Tree,
        place: &mut Place<'_>,
        init: impl FnOnce(u32) -> capnp::Result<dynamic_value::Builder<'a>>,
    ) {
        let Tree::List(items) = tree else { return expected("a list", tree, place) };
        let Some(words) = place.value(words_of(element)) else { return };
        let Some(bits) = words else { return place.add(NOT_IN_JSON) };
        let Ok(length) = u32::try_from(items.len()) else { return place.add(TOO_LARGE) };
        if self.takes((items.len() * bits).div_ceil(64) + 1, place)
            && self.goes_deeper(place)
            && let Some(dynamic_value::Builder::List(to)) = place.value(init(length))
        {
            self.inside(place, |this, place| this.elements(to, items, place));
        }
    }

    fn elements(&mut self, mut to: dynamic_list::Builder<'_>, items: &[Tree], place: &mut Place<'_>) {
        let element = to.element_type();
        for (index, item) in (0..).zip(items) {
            let mut place = place.index(index as usize);
            let place = &mut place;
            match element.which() {
                TypeVariant::Struct(_) => {
                    if let Some(dynamic_value::Builder::Struct(to)) = place.value(to.reborrow().get(index)) {
                        self.inside(place, |this, place| this.structure(to, item, place));
                    }
                }
                TypeVariant::List(inner) => {
                    self.list(inner, item, place, |length| to.reborrow().init(index, length));
                }
                TypeVariant::Data => {
                    if let Some(bytes) = data::read(item, self.files, place)
                        && self.takes(bytes.len() / 8 + 1, place)
                    {
                        place.value(to.set(index, dynamic_value::Reader::Data(&bytes)));
                    }
                }
                what => {
                    if let Some(value) = self.scalar(what, item, place) {
                        place.value(to.set(index, value));
                    }
                }
            }
        }
    }

    fn scalar<'t>(
        &mut self,
        what: TypeVariant,
        tree: &'t Tree,
        place: &mut Place<'_>,
    ) -> Option<dynamic_value::Reader<'t>> {
        match scalar::read(what, tree) {
            Ok(dynamic_value::Reader::Text(text)) if !self.takes(text.len() / 8 + 1, place) => None,
            Ok(value) => Some(value),
            Err(reason) => {
                place.add_of_json(reason);
                None
            }
        }
    }

    fn inside(&mut self, place: &mut Place<'_>, look: impl FnOnce(&mut Self, &mut Place<'_>)) {
        self.depth += 1;
        look(self, place);
        self.depth -= 1;
    }

    fn takes_struct(&mut self, schema: StructSchema, place: &mut Place<'_>) -> bool {
        let Some(size) = place.value(root::size_of(schema)) else { return false };
        self.goes_deeper(place) && self.takes(usize::from(size.data) + usize::from(size.pointers) + 1, place)
    }

    fn goes_deeper(&self, place: &mut Place<'_>) -> bool {
        if self.depth >= MAX_NESTING {
            place.add(Expected::of_code(format_args!("is nested more than {MAX_NESTING} deep")));
        }
        self.depth < MAX_NESTING
    }

    /// Takes words of the message's memory. The problem that there are too many is added once.
    fn takes(&mut self, words: usize, place: &mut Place<'_>) -> bool {
        match self.words_left.checked_sub(words) {
            Some(left) => self.words_left = left,
            None if self.words_left == 0 => return false,
            None => {
                self.words_left = 0;
                place.add(TOO_LARGE);
                return false;
            }
        }
        true
    }
}

const NOT_IN_JSON: &str = "is of a type that JSON can't express";

const TOO_LARGE: &str = "makes the config larger than 1 MiB, the most that it may be";

/// The bits of a list element, or of the pointer to it. An empty struct counts as a word, so that the number of them is limited.
fn words_of(element: Type) -> capnp::Result<Option<usize>> {
    Ok(match element.which() {
        TypeVariant::Void | TypeVariant::AnyPointer | TypeVariant::Capability => None,
        TypeVariant::Bool => Some(1),
        TypeVariant::Int8 | TypeVariant::UInt8 => Some(8),
        TypeVariant::Int16 | TypeVariant::UInt16 | TypeVariant::Enum(_) => Some(16),
        TypeVariant::Int32 | TypeVariant::UInt32 | TypeVariant::Float32 => Some(32),
        TypeVariant::Struct(schema) => {
            let size = root::size_of(schema.into())?;
            Some((usize::from(size.data) + usize::from(size.pointers)).max(1) * 64)
        }
        _ => Some(64),
    })
}

/// The problem of a value of the wrong type.
fn expected(what: &str, tree: &Tree, place: &mut Place<'_>) {
    place.add_of_json(wrong_type(what, tree));
}

fn wrong_type(expected: &str, tree: &Tree) -> String {
    let cure = if matches!(tree, Tree::Null) { ": leave it out to have the default" } else { "" };
    format!("expected {expected}, found {}{cure}", tree.noun())
}

fn unknown(name: &str, members: &[Member], place: &mut Place<'_>) {
    let guess = Guess { name, members };
    let is_plain =
        (1..=40).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if is_plain {
        place.named(name).add_of_json(format_args!("is no field here{guess}"));
    } else {
        place.add_of_json(format_args!("has no field {}{guess}", quoted(name)));
    }
}

/// The similar name, or all names. Computed when it is shown, since only some of many problems are.
struct Guess<'a> {
    name: &'a str,
    members: &'a [Member],
}

impl fmt::Display for Guess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.members.iter().map(|member| member.name);
        match nearest(self.name, names.clone()) {
            Some(name) => write!(f, ": did you mean {name}?"),
            None => write!(f, "; there are: {}", names.collect::<Vec<_>>().join(", ")),
        }
    }
}
