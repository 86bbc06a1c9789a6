//! Reads the committed code by introspection, to compare it with a contract.

use capnp::introspect::{Introspect, Type, TypeVariant};
use capnp::schema::{EnumSchema, Enumerant, Field, StructSchema};
use capnp::schema_capnp::{field, node, type_, value};

/// A field on the wire: ordinal, name, type, and default where it is not zero or empty.
pub(super) type Row = (u16, &'static str, &'static str, &'static str);

/// Compares a struct of the committed code with its rows of the contract.
pub(super) fn check<T: Introspect>(id: u64, name: &str, expected: &[Row]) {
    let proto = schema_of(T::introspect()).get_proto();
    assert_eq!((proto.get_id(), struct_name(T::introspect())), (id, name.to_owned()));
    assert_eq!(fields::<T>(), rows(expected), "{name}");
}

pub(super) fn rows(expected: &[Row]) -> Vec<(u16, String, String, String)> {
    expected.iter().map(|row| (row.0, row.1.to_owned(), row.2.to_owned(), row.3.to_owned())).collect()
}

pub(super) fn fields<T: Introspect>() -> Vec<(u16, String, String, String)> {
    let fields = schema_of(T::introspect()).get_fields().unwrap();
    let mut found: Vec<_> = fields.into_iter().enumerate().map(|(place, field)| row(place, field)).collect();
    found.sort();
    found
}

fn row(place: usize, of: Field) -> (u16, String, String, String) {
    let proto = of.get_proto();
    // The fields of parameter lists have no ordinals. Their order is their ordinal.
    let ordinal = match proto.get_ordinal().which().unwrap() {
        field::ordinal::Explicit(ordinal) => ordinal,
        field::ordinal::Implicit(()) => u16::try_from(place).unwrap(),
    };
    let field::Slot(slot) = proto.which().unwrap() else { panic!("a group") };
    let default = default(slot.get_default_value().unwrap());
    let of_type = match slot.get_type().unwrap().which().unwrap() {
        type_::Interface(interface) => interface_name(interface.get_type_id()),
        _ => type_name(of.get_type()),
    };
    (ordinal, proto.get_name().unwrap().to_string().unwrap(), of_type, default)
}

fn default(of: value::Reader<'_>) -> String {
    let number = match of.which().unwrap() {
        value::Uint8(number) => u64::from(number),
        value::Uint16(number) => u64::from(number),
        value::Uint32(number) => u64::from(number),
        value::Uint64(number) => number,
        value::Bool(bit) => u64::from(bit),
        value::Enum(ordinal) => u64::from(ordinal),
        value::Text(text) => return text.unwrap().to_string().unwrap(),
        value::Data(data) => return String::from_utf8(data.unwrap().to_vec()).unwrap(),
        value::Int64(number) => number.unsigned_abs(),
        value::Float64(0.0) | value::Interface(()) => 0,
        value::Float64(number) => return number.to_string(),
        value::List(list) if list.is_null() => 0,
        value::Struct(inner) if inner.is_null() => 0,
        _ => panic!("no field of these schemas has such a default"),
    };
    if number == 0 { String::new() } else { number.to_string() }
}

fn type_name(of: Type) -> String {
    match of.which() {
        TypeVariant::List(element) => format!("List({})", type_name(element)),
        TypeVariant::Struct(_) => struct_name(of),
        TypeVariant::Enum(raw) => last_name(EnumSchema::from(raw).get_proto()),
        TypeVariant::UInt8 => "UInt8".to_owned(),
        TypeVariant::UInt16 => "UInt16".to_owned(),
        TypeVariant::UInt32 => "UInt32".to_owned(),
        TypeVariant::UInt64 => "UInt64".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The introspection of generated code does not know interfaces. The table of methods does.
fn interface_name(of: u64) -> String {
    let method = super::METHODS.iter().find(|(interface, ..)| *interface == of);
    method.map(|(_, name, ..)| (*name).to_owned()).unwrap()
}

fn struct_name(of: Type) -> String {
    last_name(schema_of(of).get_proto())
}

fn last_name(node: node::Reader<'_>) -> String {
    let full = node.get_display_name().unwrap().to_string().unwrap();
    full.rsplit(':').next().unwrap().to_owned()
}

/// The id of an enum, and its members by ordinal.
pub(super) fn enumerants<T: Introspect>() -> (u64, Vec<(u16, String)>) {
    let TypeVariant::Enum(raw) = T::introspect().which() else { panic!("no enum") };
    let schema = EnumSchema::from(raw);
    let named = |member: Enumerant| member.get_proto().get_name().unwrap().to_string().unwrap();
    let members = schema.get_enumerants().unwrap().iter().map(|member| (member.get_ordinal(), named(member)));
    (schema.get_proto().get_id(), members.collect())
}

fn schema_of(of: Type) -> StructSchema {
    let TypeVariant::Struct(raw) = of.which() else { panic!("{of:?} is no struct") };
    raw.into()
}
