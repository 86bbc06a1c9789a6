//! Single values: checks their type and range.

use capnp::dynamic_value::{Enum, Reader};
use capnp::introspect::TypeVariant;
use capnp::schema::EnumSchema;

use super::wrong_type;
use crate::json::near::nearest;
use crate::json::number::{self, Wrong};
use crate::json::tree::Tree;
use crate::problems::quoted;

/// The value, or why it does not match the type.
pub(super) fn read(what: TypeVariant, tree: &Tree) -> Result<Reader<'_>, String> {
    // `whole` checked the range.
    macro_rules! whole {
        ($variant:ident, $number:ty) => {{
            let number = whole(tree, <$number>::MIN.into(), <$number>::MAX.into())?;
            <$number>::try_from(number).map(Reader::$variant).map_err(|error| error.to_string())
        }};
    }
    match what {
        TypeVariant::Void => match tree {
            Tree::Bool(true) => Ok(Reader::Void),
            _ => Err(wrong_type("true", tree)),
        },
        TypeVariant::Bool => match tree {
            Tree::Bool(value) => Ok(Reader::Bool(*value)),
            _ => Err(wrong_type("true or false", tree)),
        },
        TypeVariant::Int8 => whole!(Int8, i8),
        TypeVariant::Int16 => whole!(Int16, i16),
        TypeVariant::Int32 => whole!(Int32, i32),
        TypeVariant::Int64 => whole!(Int64, i64),
        TypeVariant::UInt8 => whole!(UInt8, u8),
        TypeVariant::UInt16 => whole!(UInt16, u16),
        TypeVariant::UInt32 => whole!(UInt32, u32),
        TypeVariant::UInt64 => match tree {
            Tree::Text(text) => {
                number::hex(text).map(Reader::UInt64).map_err(|wrong| wrong.found(&quoted(text)))
            }
            Tree::Number(_) => whole!(UInt64, u64),
            _ => Err(wrong_type("hex text such as \"0x2a\", or a whole number", tree)),
        },
        TypeVariant::Float32 => float(tree, number::float32, f32::from_bits, NAMED_32).map(Reader::Float32),
        TypeVariant::Float64 => float(tree, number::float64, f64::from_bits, NAMED_64).map(Reader::Float64),
        TypeVariant::Enum(schema) => member_of(schema.into(), tree).map(Reader::Enum),
        TypeVariant::Text => match tree {
            Tree::Text(text) => Ok(Reader::Text(text.as_str().into())),
            _ => Err(wrong_type("text", tree)),
        },
        _ => Err("is of a type that JSON can't express".to_owned()),
    }
}

fn whole(tree: &Tree, min: i128, max: i128) -> Result<i128, String> {
    match tree {
        Tree::Number(text) => number::whole(text, min, max).map_err(|wrong| wrong.found(text)),
        _ => Err(wrong_type("a whole number", tree)),
    }
}

/// NaN, infinity and negative infinity, by their bits.
const NAMED_32: [u32; 3] = [0x7fc0_0000, 0x7f80_0000, 0xff80_0000];
const NAMED_64: [u64; 3] = [0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000];

fn float<F, B: Copy>(
    tree: &Tree,
    parse: impl FnOnce(&str) -> Result<F, Wrong>,
    from_bits: impl FnOnce(B) -> F,
    [nan, infinity, negative]: [B; 3],
) -> Result<F, String> {
    match tree {
        Tree::Number(text) => parse(text).map_err(|wrong| wrong.found(text)),
        Tree::Text(text) => match text.as_str() {
            "NaN" => Ok(from_bits(nan)),
            "Infinity" => Ok(from_bits(infinity)),
            "-Infinity" => Ok(from_bits(negative)),
            _ => Err(wrong_type("a number", tree)),
        },
        _ => Err(wrong_type("a number", tree)),
    }
}

fn member_of(schema: EnumSchema, tree: &Tree) -> Result<Enum, String> {
    let Tree::Text(text) = tree else { return Err(wrong_type("text", tree)) };
    let values = schema.get_enumerants().map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for value in values {
        let name = value.get_proto().get_name().and_then(|name| Ok(name.to_str()?));
        let name = name.map_err(|error| error.to_string())?;
        if name == text.as_str() {
            return Ok(Enum::new(value.get_ordinal(), schema));
        }
        names.push(name);
    }
    let guess = nearest(text, names.iter().copied()).map(|name| format!(": did you mean {name}?"));
    let guess = guess.unwrap_or_default();
    Err(format!("must be one of {}, found {}{guess}", names.join(", "), quoted(text)))
}
