//! Explains a config: every field with its type, range, default and meaning.

use capnp::introspect::{Type, TypeVariant};
use capnp::schema::{EnumSchema, StructSchema};

use crate::docs::comment;
use crate::json::{Member, default_of, leaf, members, scalar};
use crate::schema::ConfigSchema;

/// The most columns of a line.
const COLUMNS: usize = 100;

const INDENT: &str = "    ";

/// The description of a field of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldDoc {
    /// The path of the field: `rules[].burst`.
    pub path: String,
    /// What a value may be: `a whole number from 0 to 65535`.
    pub takes: String,
    /// The default as in JSON, if the schema sets one that is not zero or empty.
    pub default: Option<String>,
    /// The other members of its union. Only one member can be set.
    pub instead_of: Vec<String>,
    /// Meaning, unit, default and bounds, from the comments of the schema. Paragraphs end with a newline.
    pub meaning: String,
}

/// Explains the config of a service. The fields are in the order of the schema.
#[must_use]
pub fn explain(schema: &ConfigSchema) -> String {
    let service = schema.service();
    let mut text = match schema.name() {
        Some(name) => format!("{name}, config {service:#x}\n"),
        None => format!("config {service:#x}\n"),
    };
    paragraphs(schema.doc(), "", &mut text);
    let Some(of) = schema.struct_schema() else { return text };
    let about = comment(of.get_proto().get_id(), "");
    if !about.is_empty() {
        text.push('\n');
        paragraphs(about, "", &mut text);
    }
    for field in fields(of) {
        let default = field.default.map(|default| format!(", default {default}")).unwrap_or_default();
        let instead = match field.instead_of.as_slice() {
            [] => String::new(),
            others => format!("; instead of {}", others.join(", ")),
        };
        text.push_str(&format!("\n{}: {}{default}{instead}\n", field.path, field.takes));
        paragraphs(&field.meaning, INDENT, &mut text);
    }
    text
}

/// Every field of a struct type, and of the structs in it. A type that contains itself is listed once.
#[must_use]
pub fn fields(schema: StructSchema) -> Vec<FieldDoc> {
    let mut found = Vec::new();
    // The schema is compiled in, so reading it succeeds.
    let _complete = collect(schema, "", &mut Vec::new(), &mut found);
    found
}

fn collect(
    schema: StructSchema,
    prefix: &str,
    outside: &mut Vec<StructSchema>,
    found: &mut Vec<FieldDoc>,
) -> capnp::Result<()> {
    outside.push(schema);
    let all = members(schema)?;
    for member in &all {
        let (inner, brackets) = innermost(member.field.get_type());
        let path = format!("{prefix}{}{}", member.name, brackets);
        let mut meaning = comment(schema.get_proto().get_id(), member.name).to_owned();
        let inside = match inner.which() {
            TypeVariant::Struct(inside) => Some(StructSchema::from(inside)),
            _ => None,
        };
        if let Some(inside) = inside
            && !member.is_group
        {
            if !meaning.is_empty() {
                meaning.push('\n');
            }
            meaning.push_str(comment(inside.get_proto().get_id(), ""));
        }
        let is_other = |other: &&Member| {
            member.in_union.is_some() && other.in_union.is_some() && other.name != member.name
        };
        found.push(FieldDoc {
            path: format!("{prefix}{}", member.name),
            takes: takes(member.field.get_type())?,
            default: default(member)?,
            instead_of: all.iter().filter(is_other).map(|other| other.name.to_owned()).collect(),
            meaning,
        });
        if let Some(inside) = inside.filter(|inside| !outside.contains(inside)) {
            collect(inside, &format!("{path}."), outside, found)?;
        }
    }
    outside.pop();
    Ok(())
}

/// The type inside all lists, and a pair of brackets for each list.
fn innermost(mut of: Type) -> (Type, String) {
    let mut brackets = String::new();
    while let TypeVariant::List(element) = of.which() {
        of = element;
        brackets.push_str("[]");
    }
    (of, brackets)
}

fn default(member: &Member) -> capnp::Result<Option<String>> {
    let Some(default) = default_of(member.field)?.and_then(leaf) else { return Ok(None) };
    let text = scalar(&default);
    let is_nothing = matches!(text.as_str(), "0" | "0.0" | "false" | "\"\"" | "\"0x0\"");
    let is_void = matches!(member.what, TypeVariant::Void);
    Ok((!is_nothing && !is_void && !matches!(member.what, TypeVariant::Enum(_))).then_some(text))
}

/// Describes the values of the type for people.
fn takes(of: Type) -> capnp::Result<String> {
    let whole = |min: i128, max: i128| format!("a whole number from {min} to {max}");
    Ok(match of.which() {
        TypeVariant::Void => "true".to_owned(),
        TypeVariant::Bool => "true or false".to_owned(),
        TypeVariant::Int8 => whole(i8::MIN.into(), i8::MAX.into()),
        TypeVariant::Int16 => whole(i16::MIN.into(), i16::MAX.into()),
        TypeVariant::Int32 => whole(i32::MIN.into(), i32::MAX.into()),
        TypeVariant::Int64 => whole(i64::MIN.into(), i64::MAX.into()),
        TypeVariant::UInt8 => whole(0, u8::MAX.into()),
        TypeVariant::UInt16 => whole(0, u16::MAX.into()),
        TypeVariant::UInt32 => whole(0, u32::MAX.into()),
        TypeVariant::UInt64 => "hex text such as \"0x2a\", or a whole number, of 64 bits".to_owned(),
        TypeVariant::Float32 => "a number (32-bit float)".to_owned(),
        TypeVariant::Float64 => "a number (64-bit float)".to_owned(),
        TypeVariant::Text => "text".to_owned(),
        TypeVariant::Data => "bytes: base64, or \"@\" and the name of a file".to_owned(),
        TypeVariant::Enum(schema) => format!("one of {}", values(schema.into())?.join(", ")),
        TypeVariant::Struct(_) => "an object".to_owned(),
        TypeVariant::List(element) => match element.which() {
            TypeVariant::Struct(_) => "a list of objects".to_owned(),
            _ => format!("a list, each {}", takes(element)?),
        },
        TypeVariant::AnyPointer | TypeVariant::Capability => "nothing that JSON can express".to_owned(),
    })
}

fn values(schema: EnumSchema) -> capnp::Result<Vec<&'static str>> {
    schema.get_enumerants()?.iter().map(|value| Ok(value.get_proto().get_name()?.to_str()?)).collect()
}

/// Adds the text in lines of limited length.
fn paragraphs(text: &str, indent: &str, out: &mut String) {
    for paragraph in text.lines() {
        let mut line = indent.to_owned();
        for word in paragraph.split_whitespace() {
            if line.len() > indent.len() {
                if line.chars().count() + 1 + word.chars().count() > COLUMNS {
                    out.push_str(&line);
                    out.push('\n');
                    line = indent.to_owned();
                } else {
                    line.push(' ');
                }
            }
            line.push_str(word);
        }
        out.push_str(&line);
        out.push('\n');
    }
}
