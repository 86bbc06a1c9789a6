//! Whether a message is one of a schema: every pointer leads to what its field says, every text is UTF-8, every enum and
//! union has a member that is known, and nothing is set that the schema has no field for.
//!
//! Cap'n Proto messages do not say what they are, and reading one as something else often "works": fields that are not
//! there read as their defaults. A config must not be misread as defaults, so the message is walked as a whole first.
//! What is set beyond the schema was meant by somebody, for another service or a newer build: ignoring it would be a
//! silent default too.
//!
//! The walk costs no more than reading everything once: it is under the same limits as any other reader.

use std::any::TypeId;
use std::collections::HashMap;
use std::rc::Rc;

use capnp::introspect::{Type, TypeVariant};
use capnp::message::{Reader, ReaderSegments};
use capnp::schema::{EnumSchema, Field, StructSchema};
use capnp::schema_capnp::{field, node, value};
use capnp::{
    any_pointer, any_pointer_list, data, data_list, primitive_list, raw, struct_list, text, text_list,
};

use crate::problems::{Place, Problems, malformed};

/// A struct of any type: it is only looked at through [`raw`], so this type's own fields never matter.
type AnyStruct = node::Owned;

const UNKNOWN_DATA: &str =
    "holds what this build has no field for: it was made for another service, or by a newer build";

/// Adds a problem for each place where the message is not one of the struct type `schema`.
pub(crate) fn check<S: ReaderSegments>(message: &Reader<S>, schema: Type, problems: &mut Problems) {
    let mut root = problems.root();
    match message.get_root::<any_pointer::Reader<'_>>() {
        Ok(pointer) if pointer.is_null() => root.add("holds no struct"),
        Ok(pointer) => Walk::default().pointer(pointer, schema, &mut root),
        Err(error) => root.add(malformed(&error)),
    }
}

/// The layout of a struct type: which bits and pointers have fields, and what has to be looked at.
#[derive(Default)]
struct Shape {
    /// A bit for each bit of the data section that belongs to a field.
    known_bits: Vec<u8>,
    /// For each place of the pointer section, whether it belongs to a field.
    known_pointers: Vec<bool>,
    members: Vec<Member>,
    unions: Vec<Union>,
}

/// A field that can be wrong. Fields of groups stand here too, with the group in their path.
struct Member {
    path: String,
    /// The unions that have to be set to this field, or to a group around it.
    when: Vec<Choice>,
    what: What,
}

/// A union set to one of its members.
#[derive(Clone, Copy)]
struct Choice {
    offset: usize,
    value: u16,
}

struct Union {
    path: String,
    when: Vec<Choice>,
    offset: usize,
    members: u16,
}

enum What {
    Enum { offset: usize, default: u16, members: u16 },
    Pointer { offset: usize, of: Type },
}

#[derive(Default)]
struct Walk {
    shapes: HashMap<TypeId, Rc<Shape>>,
}

impl Walk {
    fn pointer(&mut self, pointer: any_pointer::Reader<'_>, of: Type, place: &mut Place<'_>) {
        // Null stands for the default.
        if pointer.is_null() {
            return;
        }
        match of.which() {
            TypeVariant::Text => drop(place.text(pointer.get_as::<text::Reader<'_>>())),
            TypeVariant::Data => drop(place.value(pointer.get_as::<data::Reader<'_>>())),
            TypeVariant::List(element) => self.list(pointer, element, place),
            TypeVariant::Struct(schema) => {
                if let Some(value) = place.value(pointer.get_as::<node::Reader<'_>>())
                    && let Some(shape) = place.value(self.shape(schema.into(), schema.type_id))
                {
                    self.structure(value, &shape, place);
                }
            }
            TypeVariant::Capability => place.add("holds a capability, which no file can hold"),
            // Whoever reads a pointer to anything has to know what it is.
            _ => {}
        }
    }

    fn list(&mut self, pointer: any_pointer::Reader<'_>, element: Type, place: &mut Place<'_>) {
        macro_rules! numbers {
            ($number:ty) => {
                drop(place.value(pointer.get_as::<primitive_list::Reader<'_, $number>>()))
            };
        }
        match element.which() {
            TypeVariant::Struct(schema) => {
                if let Some(list) = place.value(pointer.get_as::<struct_list::Reader<'_, AnyStruct>>())
                    && let Some(shape) = place.value(self.shape(schema.into(), schema.type_id))
                {
                    for (index, value) in list.iter().enumerate() {
                        self.structure(value, &shape, &mut place.index(index));
                    }
                }
            }
            TypeVariant::Text => {
                for (index, text) in
                    place.value(pointer.get_as::<text_list::Reader<'_>>()).into_iter().flatten().enumerate()
                {
                    place.index(index).text(text);
                }
            }
            TypeVariant::Data => {
                for (index, data) in
                    place.value(pointer.get_as::<data_list::Reader<'_>>()).into_iter().flatten().enumerate()
                {
                    place.index(index).value(data);
                }
            }
            TypeVariant::List(_) | TypeVariant::Capability => {
                let list = place.value(pointer.get_as::<any_pointer_list::Reader<'_>>());
                for (index, inner) in list.into_iter().flat_map(any_pointer_list::Reader::iter).enumerate() {
                    let mut place = place.index(index);
                    if let Some(inner) = place.value(inner) {
                        self.pointer(inner, element, &mut place);
                    }
                }
            }
            TypeVariant::Enum(of) => {
                let list = place.value(pointer.get_as::<primitive_list::Reader<'_, u16>>());
                let members = place.value(members_of(of.into())).unwrap_or_default();
                for (index, value) in list.into_iter().flatten().enumerate() {
                    check_enum(value, members, &mut place.index(index));
                }
            }
            TypeVariant::Bool => numbers!(bool),
            TypeVariant::Int8 | TypeVariant::UInt8 => numbers!(u8),
            TypeVariant::Int16 | TypeVariant::UInt16 => numbers!(u16),
            TypeVariant::Int32 | TypeVariant::UInt32 | TypeVariant::Float32 => numbers!(u32),
            TypeVariant::Int64 | TypeVariant::UInt64 | TypeVariant::Float64 => numbers!(u64),
            TypeVariant::Void | TypeVariant::AnyPointer => {}
        }
    }

    fn structure(&mut self, value: node::Reader<'_>, shape: &Shape, place: &mut Place<'_>) {
        let data = raw::get_struct_data_section(value);
        let pointers = raw::get_struct_pointer_section(value);
        let known = shape.known_bits.iter().copied().chain(std::iter::repeat(0));
        let unknown_bits = data.iter().zip(known).any(|(byte, known)| byte & !known != 0);
        let unknown_pointers = (0..pointers.len()).any(|offset| {
            let known = shape.known_pointers.get(offset as usize).copied().unwrap_or_default();
            !known && !pointers.get(offset).is_null()
        });
        if unknown_bits || unknown_pointers {
            place.add(UNKNOWN_DATA);
        }
        let chosen = |when: &[Choice]| when.iter().all(|choice| number(data, choice.offset) == choice.value);
        for union in shape.unions.iter().filter(|union| chosen(&union.when)) {
            if number(data, union.offset) >= union.members {
                inside(place, &union.path, |place| {
                    place.add("is set to a member that this build does not know")
                });
            }
        }
        for member in shape.members.iter().filter(|member| chosen(&member.when)) {
            inside(place, &member.path, |place| match member.what {
                What::Enum { offset, default, members } => {
                    check_enum(number(data, offset) ^ default, members, place);
                }
                What::Pointer { offset, of } => {
                    if let Some(pointer) = u32::try_from(offset).ok().and_then(|at| pointers.try_get(at)) {
                        self.pointer(pointer, of, place);
                    }
                }
            });
        }
    }

    fn shape(&mut self, schema: StructSchema, id: TypeId) -> capnp::Result<Rc<Shape>> {
        if let Some(shape) = self.shapes.get(&id) {
            return Ok(Rc::clone(shape));
        }
        let mut shape = Shape::default();
        shape.add_fields(schema, "", &[])?;
        let shape = Rc::new(shape);
        self.shapes.insert(id, Rc::clone(&shape));
        Ok(shape)
    }
}

impl Shape {
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
                self.members.push(Member { path, when, what: What::Enum { offset, default, members } });
                16
            }
            _ => {
                self.know_pointer(offset);
                self.members.push(Member { path, when, what: What::Pointer { offset, of: of.get_type() } });
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

/// Looks at a place inside, or at this one when there is no path to it.
fn inside(place: &mut Place<'_>, path: &str, look: impl FnOnce(&mut Place<'_>)) {
    if path.is_empty() { look(place) } else { look(&mut place.field(path)) }
}

/// The number of two bytes at an offset in numbers; what the message left out is 0.
fn number(data: &[u8], offset: usize) -> u16 {
    let bytes = data.get(offset * 2..).and_then(|rest| rest.first_chunk::<2>());
    bytes.map(|bytes| u16::from_le_bytes(*bytes)).unwrap_or_default()
}

fn members_of(schema: EnumSchema) -> capnp::Result<u16> {
    Ok(schema.get_enumerants()?.len())
}

fn check_enum(value: u16, members: u16, place: &mut Place<'_>) {
    if value >= members {
        place.add("is a value that this build does not know");
    }
}

#[cfg(test)]
mod tests;
