//! Random messages and JSON texts, for tests.

use capnp::introspect::{Introspect, Type, TypeVariant};
use capnp::message::{Builder, HeapAllocator};
use capnp::schema::StructSchema;
use capnp::{dynamic_list, dynamic_struct, dynamic_value};

use super::member::{Member, members};
use super::root;

/// The struct type of a schema.
pub(crate) fn type_of<T: Introspect>() -> StructSchema {
    match T::introspect().which() {
        TypeVariant::Struct(schema) => schema.into(),
        other => panic!("{other:?} is no struct"),
    }
}

/// The types of this project's configs, and two types of Cap'n Proto with unions, groups and enums.
pub(crate) fn all_types() -> Vec<StructSchema> {
    vec![
        type_of::<schema::health_capnp::health_check_service_spec::Owned>(),
        type_of::<schema::metrics_capnp::metrics_service_spec::Owned>(),
        type_of::<quota_schema::quota_capnp::quota_spec::Owned>(),
        type_of::<schema::rpc_capnp::rpc_server_spec::Owned>(),
        type_of::<schema::rpc_capnp::rpc_client_spec::Owned>(),
        type_of::<capnp::schema_capnp::node::Owned>(),
        type_of::<capnp::schema_capnp::value::Owned>(),
    ]
}

/// Random numbers from a seed (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number. Zero, small ones and the largest one are frequent.
    fn bits(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => u64::MAX,
            2 => self.below(300),
            _ => self.next(),
        }
    }

    pub(crate) fn text(&mut self) -> String {
        let letters = ['a', 'Z', '0', '"', '\\', '\n', '\0', 'é', '\u{2028}', '😀', '@', '=', ' '];
        let count = self.below(12);
        (0..count).map(|_| letters[self.below(letters.len() as u64) as usize]).collect()
    }
}

/// A random message of the type, with everything that JSON can express.
pub(crate) fn message(schema: StructSchema, dice: &mut Dice) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    structure(root::init(&mut message, schema).unwrap(), dice, 0);
    message
}

fn structure(mut to: dynamic_struct::Builder<'_>, dice: &mut Dice, depth: u16) {
    let members: Vec<_> = members(to.get_schema()).unwrap().into_iter().filter(expressible).collect();
    let choices: Vec<_> = members.iter().filter(|member| member.in_union.is_some()).collect();
    if !choices.is_empty() {
        let chosen = choices[dice.below(choices.len() as u64) as usize];
        member(to.reborrow(), chosen, dice, depth);
    }
    for plain in members.iter().filter(|member| member.in_union.is_none()) {
        if dice.below(4) > 0 {
            member(to.reborrow(), plain, dice, depth);
        }
    }
}

fn expressible(member: &Member) -> bool {
    let mut of: Type = member.field.get_type();
    while let TypeVariant::List(element) = of.which() {
        of = element;
    }
    !matches!(of.which(), TypeVariant::AnyPointer | TypeVariant::Capability)
}

fn member(mut to: dynamic_struct::Builder<'_>, member: &Member, dice: &mut Dice, depth: u16) {
    // The limit of nesting is 16, and a list of structs takes two levels.
    let deep = depth >= 5;
    match member.what {
        TypeVariant::Struct(_) if deep && !member.is_group => {}
        TypeVariant::Struct(_) => {
            if let dynamic_value::Builder::Struct(to) = to.init(member.field).unwrap() {
                structure(to, dice, depth + 1);
            }
        }
        TypeVariant::List(_) => {
            let length = if deep { 0 } else { dice.below(4) as u32 };
            if let dynamic_value::Builder::List(to) = to.initn(member.field, length).unwrap() {
                list(to, dice, depth + 1);
            }
        }
        what => scalar(what, dice, |value| to.set(member.field, value).unwrap()),
    }
}

fn list(mut to: dynamic_list::Builder<'_>, dice: &mut Dice, depth: u16) {
    for index in 0..to.len() {
        match to.element_type().which() {
            TypeVariant::Struct(_) => {
                if let dynamic_value::Builder::Struct(to) = to.reborrow().get(index).unwrap() {
                    structure(to, dice, depth + 1);
                }
            }
            TypeVariant::List(_) => {
                let length = dice.below(3) as u32;
                if let dynamic_value::Builder::List(to) = to.reborrow().init(index, length).unwrap() {
                    list(to, dice, depth + 1);
                }
            }
            what => scalar(what, dice, |value| to.set(index, value).unwrap()),
        }
    }
}

fn scalar(what: TypeVariant, dice: &mut Dice, set: impl FnOnce(dynamic_value::Reader<'_>)) {
    use dynamic_value::{Enum, Reader};
    let bits = dice.bits();
    let text = dice.text();
    set(match what {
        TypeVariant::Void => Reader::Void,
        TypeVariant::Bool => Reader::Bool(bits & 1 == 1),
        TypeVariant::Int8 => Reader::Int8(bits as i8),
        TypeVariant::Int16 => Reader::Int16(bits as i16),
        TypeVariant::Int32 => Reader::Int32(bits as i32),
        TypeVariant::Int64 => Reader::Int64(bits as i64),
        TypeVariant::UInt8 => Reader::UInt8(bits as u8),
        TypeVariant::UInt16 => Reader::UInt16(bits as u16),
        TypeVariant::UInt32 => Reader::UInt32(bits as u32),
        TypeVariant::UInt64 => Reader::UInt64(bits),
        TypeVariant::Float32 => Reader::Float32(f32::from_bits(bits as u32)),
        TypeVariant::Float64 => Reader::Float64(f64::from_bits(bits)),
        TypeVariant::Enum(schema) => {
            let schema = capnp::schema::EnumSchema::from(schema);
            let count = schema.get_enumerants().unwrap().len();
            Reader::Enum(Enum::new((bits % u64::from(count)) as u16, schema))
        }
        TypeVariant::Text => Reader::Text(text.as_str().into()),
        TypeVariant::Data => Reader::Data(text.as_bytes()),
        other => panic!("{other:?} is no scalar"),
    });
}
