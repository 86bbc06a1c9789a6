//! Checks that a message matches a schema. Every pointer leads to a value of its field's type, and every text is UTF-8. Every enum
//! and union has a known member, and no data is outside of the schema.
//!
//! A Cap'n Proto message does not name its type. Reading it as another type often succeeds, because missing fields read as their
//! defaults. A config must not be misread as defaults, so the whole message is checked first. Data outside of the schema comes from
//! another service or a newer build. To ignore it would be a silent default too.
//!
//! The check reads everything once, under the same limits as any other reader.

mod layout;
#[cfg(test)]
mod tests;

use std::any::TypeId;
use std::collections::HashMap;
use std::rc::Rc;

use capnp::introspect::{Type, TypeVariant};
use capnp::message::{Reader, ReaderSegments};
use capnp::schema::StructSchema;
use capnp::schema_capnp::node;
use capnp::{
    any_pointer, any_pointer_list, data, data_list, primitive_list, raw, struct_list, text, text_list,
};

use self::layout::{Choice, Shape, What, members_of};
use crate::problems::{Place, Problems};

/// Stands for a struct of any type. Only [`raw`] reads it, so the fields of this type do not matter.
type AnyStruct = node::Owned;

/// The element size of a list of structs (<https://capnproto.org/encoding.html#lists>).
const COMPOSITE: u8 = 7;

const UNKNOWN_DATA: &str =
    "has data that this build has no field for: it was made for another service, or by a newer build";

/// Adds a problem for each place where the message does not match the struct type `schema`.
pub(crate) fn check<S: ReaderSegments>(message: &Reader<S>, schema: Type, problems: &mut Problems) {
    let mut root = problems.root();
    match message.get_root::<any_pointer::Reader<'_>>() {
        Ok(pointer) if pointer.is_null() => root.add("holds no struct"),
        Ok(pointer) => MessageWalk::default().pointer(pointer, schema, &mut root),
        Err(error) => root.add_malformed(&error),
    }
}

#[derive(Default)]
struct MessageWalk {
    shapes: HashMap<TypeId, Rc<Shape>>,
}

impl MessageWalk {
    fn pointer(&mut self, pointer: any_pointer::Reader<'_>, of: Type, place: &mut Place<'_>) {
        // A null pointer means the default.
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
            // The reader of a pointer of any type must know its type.
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
                    // Cap'n Proto reads a list of numbers as structs with one number. No writer of configs does that.
                    if raw::get_list_element_size(list) as u8 != COMPOSITE {
                        return place.add("is a list, but not of structs");
                    }
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
        let shape = Rc::new(Shape::of(schema)?);
        self.shapes.insert(id, Rc::clone(&shape));
        Ok(shape)
    }
}

/// Runs `look` on the place at `path`, or on this one if the path is empty.
fn inside(place: &mut Place<'_>, path: &str, look: impl FnOnce(&mut Place<'_>)) {
    if path.is_empty() { look(place) } else { look(&mut place.named(path)) }
}

/// The 16-bit number at an offset, counted in such numbers. 0 after the end of the message.
fn number(data: &[u8], offset: usize) -> u16 {
    let bytes = data.get(offset * 2..).and_then(|rest| rest.first_chunk::<2>());
    bytes.map(|bytes| u16::from_le_bytes(*bytes)).unwrap_or_default()
}

fn check_enum(value: u16, members: u16, place: &mut Place<'_>) {
    if value >= members {
        place.add("is a value that this build does not know");
    }
}
