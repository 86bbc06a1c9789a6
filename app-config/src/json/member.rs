//! The members of a struct type, as JSON sees them.

use capnp::dynamic_value;
use capnp::introspect::TypeVariant;
use capnp::schema::{Field, StructSchema};
use capnp::schema_capnp::field;

/// A field or group of a struct.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) field: Field,
    pub(crate) name: &'static str,
    pub(crate) what: TypeVariant,
    /// Its number in its union.
    pub(crate) in_union: Option<u16>,
    pub(crate) is_group: bool,
}

/// All members, in the order in which they were added to the schema.
pub(crate) fn members(schema: StructSchema) -> capnp::Result<Vec<Member>> {
    schema.get_fields()?.iter().map(Member::of).collect()
}

impl Member {
    fn of(field: Field) -> capnp::Result<Self> {
        let proto = field.get_proto();
        let number = proto.get_discriminant_value();
        Ok(Self {
            field,
            name: proto.get_name()?.to_str()?,
            what: field.get_type().which(),
            in_union: (number != field::NO_DISCRIMINANT).then_some(number),
            is_group: matches!(proto.which()?, field::Group(_)),
        })
    }

    /// Whether it is set by default: every member outside of a union, and the first one of a union.
    pub(crate) fn is_set_by_default(&self) -> bool {
        matches!(self.in_union, None | Some(0))
    }
}

/// The default of a field. Groups have none.
pub(crate) fn default_of(field: Field) -> capnp::Result<Option<dynamic_value::Reader<'static>>> {
    match field.get_proto().which()? {
        field::Slot(slot) => {
            dynamic_value::Reader::new(slot.get_default_value()?, field.get_type()).map(Some)
        }
        field::Group(_) => Ok(None),
    }
}
