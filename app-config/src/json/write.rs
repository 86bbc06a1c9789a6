//! A message to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use capnp::dynamic_value::Reader;
use capnp::introspect::TypeVariant;
use capnp::message::ReaderSegments;
use capnp::schema::StructSchema;
use capnp::{dynamic_list, dynamic_struct};

use super::member::{Member, default_of, members};
use super::print::pretty;
use super::root;
use super::tree::Tree;
use crate::codec::Message;
use crate::problems::{Place, Problems};

/// A message of the struct type as JSON, with a newline at the end. [`from_json`](super::from_json) reads it.
///
/// Fields are in the order of the schema. Fields that have their default are left out. So messages with the same meaning have the
/// same JSON.
///
/// # Errors
/// The message does not match the type, or has what JSON can't express (capabilities, pointers of any type).
pub fn to_json(schema: StructSchema, message: Message) -> Result<String, Problems> {
    segments_to_json(schema, &message.into_segments())
}

/// As [`to_json`].
pub(crate) fn segments_to_json<S: ReaderSegments>(
    schema: StructSchema,
    segments: &S,
) -> Result<String, Problems> {
    let message = root::checked(segments, schema)?;
    let mut problems = Problems::new();
    let mut place = problems.root();
    let tree = place.value(root::read(&message, schema)).map(|root| structure(root, &mut place));
    drop(place);
    match tree {
        Some(tree) if problems.is_empty() => Ok(pretty(&tree)),
        _ => Err(problems),
    }
}

/// As [`to_json`], for a message that is no config: what the type has no field for is left out, since types of messages evolve. The
/// limits are those of the reader.
///
/// # Errors
/// The message can't be read as the type, or has what JSON can't express (capabilities, pointers of any type).
pub fn reader_to_json<S: ReaderSegments>(
    schema: StructSchema,
    message: &capnp::message::Reader<S>,
) -> Result<String, Problems> {
    let mut problems = Problems::new();
    let mut place = problems.root();
    let tree = place.value(root::read(message, schema)).map(|root| structure(root, &mut place));
    drop(place);
    match tree {
        Some(tree) if problems.is_empty() => Ok(pretty(&tree)),
        _ => Err(problems),
    }
}

fn structure(from: dynamic_struct::Reader<'_>, place: &mut Place<'_>) -> Tree {
    let mut entries = Vec::new();
    for member in place.value(members(from.get_schema())).unwrap_or_default() {
        let mut place = place.field(member.name);
        if let Some(Some(value)) = place
            .value(is_active(from, &member))
            .map(|active| if active { self::member(from, &member, &mut place) } else { None })
        {
            entries.push((member.name.to_owned(), value));
        }
    }
    Tree::Object(entries)
}

/// Whether the member is set: it is in no union, or its union is set to it.
pub(crate) fn is_active(from: dynamic_struct::Reader<'_>, member: &Member) -> capnp::Result<bool> {
    if member.in_union.is_none() {
        return Ok(true);
    }
    Ok(from.which()? == Some(member.field))
}

/// The value of a member, unless it is left out.
fn member(from: dynamic_struct::Reader<'_>, member: &Member, place: &mut Place<'_>) -> Option<Tree> {
    let has = place.value(from.has(member.field))?;
    if !has && member.is_set_by_default() {
        return None;
    }
    let value = place.value(from.get(member.field))?;
    if member.is_group {
        let tree = self::value(value, place)?;
        let empty = matches!(&tree, Tree::Object(entries) if entries.is_empty());
        return (!empty || !member.is_set_by_default()).then_some(tree);
    }
    let tree = self::value(value, place)?;
    // A pointer that is present was set, even if it points to the default.
    let is_pointer = member.field.get_type().is_pointer_type();
    if !is_pointer && member.is_set_by_default() && place.value(is_default(member, &tree))? {
        return None;
    }
    Some(tree)
}

/// Whether the value of a field that is not a pointer is the default.
fn is_default(member: &Member, tree: &Tree) -> capnp::Result<bool> {
    Ok(default_of(member.field)?.and_then(leaf).is_some_and(|default| default == *tree))
}

fn value(value: Reader<'_>, place: &mut Place<'_>) -> Option<Tree> {
    match value {
        Reader::Struct(value) => Some(structure(value, place)),
        Reader::List(value) => list(value, place),
        value => {
            let tree = leaf(value);
            if tree.is_none() {
                place.add("is of a type that JSON can't express");
            }
            tree
        }
    }
}

fn list(from: dynamic_list::Reader<'_>, place: &mut Place<'_>) -> Option<Tree> {
    // A list of `Void` takes no memory at any length.
    if matches!(
        from.element_type().which(),
        TypeVariant::Void | TypeVariant::AnyPointer | TypeVariant::Capability
    ) {
        place.add("is of a type that JSON can't express");
        return None;
    }
    let mut items = Vec::new();
    for (index, item) in from.iter().enumerate() {
        let mut place = place.index(index);
        let item = place.value(item);
        items.extend(item.and_then(|item| value(item, &mut place)));
    }
    Some(Tree::List(items))
}

/// A value that is neither a struct nor a list; `None` if JSON can't express it.
pub(crate) fn leaf(value: Reader<'_>) -> Option<Tree> {
    Some(match value {
        Reader::Void => Tree::Bool(true),
        Reader::Bool(value) => Tree::Bool(value),
        Reader::Int8(value) => Tree::Number(value.to_string()),
        Reader::Int16(value) => Tree::Number(value.to_string()),
        Reader::Int32(value) => Tree::Number(value.to_string()),
        Reader::Int64(value) => Tree::Number(value.to_string()),
        Reader::UInt8(value) => Tree::Number(value.to_string()),
        Reader::UInt16(value) => Tree::Number(value.to_string()),
        Reader::UInt32(value) => Tree::Number(value.to_string()),
        Reader::UInt64(value) => Tree::text(format!("{value:#x}")),
        // `Debug` prints the shortest digits that read as the same float.
        Reader::Float32(value) => float(value.into(), format!("{value:?}")),
        Reader::Float64(value) => float(value, format!("{value:?}")),
        Reader::Enum(value) => {
            let name = value.get_enumerant().ok()??.get_proto().get_name().ok()?;
            Tree::text(name.to_str().ok()?)
        }
        Reader::Text(value) => Tree::text(value.to_str().ok()?),
        Reader::Data(value) => Tree::text(STANDARD.encode(value)),
        Reader::Struct(_) | Reader::List(_) | Reader::AnyPointer(_) | Reader::Capability(_) => return None,
    })
}

fn float(value: f64, digits: String) -> Tree {
    match value {
        _ if value.is_nan() => Tree::text("NaN"),
        f64::INFINITY => Tree::text("Infinity"),
        f64::NEG_INFINITY => Tree::text("-Infinity"),
        _ => Tree::Number(digits),
    }
}
