//! The layout of a struct type: the bits and pointers of its fields, and the fields to check.

use capnp::introspect::{Type, TypeVariant};
use capnp::schema::{EnumSchema, Field, StructSchema};
use capnp::schema_capnp::{field, node, value};

/// The layout of a struct type: the bits and pointers of its fields, and the fields to check.
#[derive(Default)]
pub(super) struct Shape {
    /// A bit for each bit of the data section that belongs to a field.
    pub(super) known_bits: Vec<u8>,
    /// For each index of the pointer section, whether it belongs to a field.
    pub(super) known_pointers: Vec<bool>,
    pub(super) members: Vec<CheckedField>,
    pub(super) unions: Vec<Union>,
}

/// A field that can be wrong. Includes the fields of groups, with the group in their path.
pub(super) struct CheckedField {
    pub(super) path: String,
    /// The unions that must be set to this field, or to a group around it.
    pub(super) when: Vec<Choice>,
    pub(super) what: What,
}

/// A union set to one of its members.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    pub(super) offset: usize,
    pub(super) value: u16,
}

pub(super) struct Union {
    pub(super) path: String,
    pub(super) when: Vec<Choice>,
    pub(super) offset: usize,
    pub(super) members: u16,
}

pub(super) enum What {
    Enum { offset: usize, default: u16, members: u16 },
    Pointer { offset: usize, of: Type },
}

impl Shape {
    pub(super) fn of(schema: StructSchema) -> capnp::Result<Self> {
        let mut shape = Self::default();
        shape.add_fields(schema, "", &[])?;
        Ok(shape)
    }

    fn add_fields(&mut self, schema: StructSchema, prefix: &str, when: &[Choice]) -> capnp::Result<()> {
        let node::Struct(layout) = schema.get_proto().which()? else { return Ok(()) };
        let union = (layout.get_discriminant_count() > 0).then(|| layout.get_discriminant_offset() as usize);
        if let Some(offset) = union {
            self.know_bits(offset * 16, 16);
            let members = layout.get_discriminant_count();
            self.unions.push(Union { path: prefix.to_owned(), when: when.to_vec(), offset, members });
        }
        for of in schema.get_fields()? {
            let value = of.get_proto().get_discriminant_value();
            let mut when = when.to_vec();
            if let Some(offset) = union.filter(|_| value != field::NO_DISCRIMINANT) {
                when.push(Choice { offset, value });
            }
            let name = of.get_proto().get_name()?.to_str()?;
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            self.add_field(of, path, when)?;
        }
        Ok(())
    }

    fn add_field(&mut self, of: Field, path: String, when: Vec<Choice>) -> capnp::Result<()> {
        let slot = match of.get_proto().which()? {
            field::Slot(slot) => slot,
            field::Group(_) => {
                let TypeVariant::Struct(group) = of.get_type().which() else { return Ok(()) };
                return self.add_fields(group.into(), &path, &when);
            }
        };
        let offset = slot.get_offset() as usize;
        let bits = match of.get_type().which() {
            TypeVariant::Void => 0,
            TypeVariant::Bool => 1,
            TypeVariant::Int8 | TypeVariant::UInt8 => 8,
            TypeVariant::Int16 | TypeVariant::UInt16 => 16,
            TypeVariant::Int32 | TypeVariant::UInt32 | TypeVariant::Float32 => 32,
            TypeVariant::Int64 | TypeVariant::UInt64 | TypeVariant::Float64 => 64,
            TypeVariant::Enum(values) => {
                let value::Enum(default) = slot.get_default_value()?.which()? else { return Ok(()) };
                let members = members_of(values.into())?;
                self.members.push(CheckedField { path, when, what: What::Enum { offset, default, members } });
                16
            }
            _ => {
                self.know_pointer(offset);
                self.members.push(CheckedField {
                    path,
                    when,
                    what: What::Pointer { offset, of: of.get_type() },
                });
                return Ok(());
            }
        };
        self.know_bits(offset * bits, bits);
        Ok(())
    }

    fn know_bits(&mut self, first: usize, count: usize) {
        for bit in first..first + count {
            if self.known_bits.len() <= bit / 8 {
                self.known_bits.resize(bit / 8 + 1, 0);
            }
            self.known_bits[bit / 8] |= 1 << (bit % 8);
        }
    }

    fn know_pointer(&mut self, offset: usize) {
        if self.known_pointers.len() <= offset {
            self.known_pointers.resize(offset + 1, false);
        }
        self.known_pointers[offset] = true;
    }
}

/// How many values an enum has.
pub(super) fn members_of(schema: EnumSchema) -> capnp::Result<u16> {
    Ok(schema.get_enumerants()?.len())
}
