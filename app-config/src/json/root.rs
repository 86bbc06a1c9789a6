//! The root struct of a message whose type is known only at run time.
//!
//! The `dynamic_*` modules of capnp can't reach the root of a message. This module does it as capnp's typed readers do.

use capnp::introspect::{Type, TypeVariant};
use capnp::message::{Allocator, Builder, Reader, ReaderSegments};
use capnp::private::layout::{PointerBuilder, StructSize};
use capnp::schema::StructSchema;
use capnp::schema_capnp::node;
use capnp::traits::{FromPointerBuilder, IntoInternalStructReader};
use capnp::{Word, dynamic_struct};

use crate::limits::reader_options;
use crate::problems::Problems;
use crate::shape;

/// The pointer to the root.
struct Root<'a>(PointerBuilder<'a>);

impl<'a> FromPointerBuilder<'a> for Root<'a> {
    fn init_pointer(builder: PointerBuilder<'a>, _length: u32) -> Self {
        Self(builder)
    }

    fn get_from_pointer(builder: PointerBuilder<'a>, _default: Option<&'a [Word]>) -> capnp::Result<Self> {
        Ok(Self(builder))
    }
}

/// Starts a message of the type.
pub(crate) fn init<A: Allocator>(
    message: &mut Builder<A>,
    schema: StructSchema,
) -> capnp::Result<dynamic_struct::Builder<'_>> {
    let Root(pointer) = message.init_root();
    Ok(dynamic_struct::Builder::new(pointer.init_struct(size_of(schema)?), schema))
}

/// The size of a struct of the type.
pub(super) fn size_of(schema: StructSchema) -> capnp::Result<StructSize> {
    let node::Struct(layout) = schema.get_proto().which()? else {
        return Err(capnp::Error::failed("not a struct".to_owned()));
    };
    Ok(StructSize { data: layout.get_data_word_count(), pointers: layout.get_pointer_count() })
}

/// The root of a message that [`checked`] compared with the type.
pub(crate) fn read<S: ReaderSegments>(
    message: &Reader<S>,
    schema: StructSchema,
) -> capnp::Result<dynamic_struct::Reader<'_>> {
    // The type does not matter here, only the position.
    let place: node::Reader<'_> = message.get_root()?;
    Ok(dynamic_struct::Reader::new(place.into_internal_struct_reader(), schema))
}

/// Checks that a message matches the type.
///
/// # Errors
/// All places where it does not.
pub(crate) fn checked<S: ReaderSegments>(segments: &S, schema: StructSchema) -> Result<Reader<&S>, Problems> {
    let mut problems = Problems::new();
    let of = Type::from(TypeVariant::Struct(schema.into()));
    // Each pass has its own reader, since a reader counts what was read.
    shape::check(&Reader::new(segments, reader_options()), of, &mut problems);
    let message = Reader::new(segments, reader_options());
    if let Err(error) = read(&message, schema)
        && problems.is_empty()
    {
        problems.root().add_malformed(&error);
    }
    if problems.is_empty() { Ok(message) } else { Err(problems) }
}
