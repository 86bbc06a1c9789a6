//! The tables beside the code, from what `capnp` says of the schemas.

mod docs;
mod index;
mod layout;
mod methods;

use capnp::message::ReaderOptions;
use capnp::schema_capnp::code_generator_request;

use crate::errors::SchemaError;

pub(crate) use self::index::index;
pub(crate) use self::layout::{LAYOUT, Layouts};

/// The sources of the comments and of the methods, and the layouts.
pub(crate) fn of(request: &[u8]) -> Result<(String, String, Layouts), SchemaError> {
    let code = |source| SchemaError::Code { source };
    let message = capnp::serialize::read_message(request, ReaderOptions::new()).map_err(code)?;
    let request: code_generator_request::Reader<'_> = message.get_root().map_err(code)?;
    if request.get_source_info().map_err(code)?.is_empty() {
        return Err(code(capnp::Error::failed("it is too old to tell comments".to_owned())));
    }
    let comments = docs::Comments::of(request).map_err(code)?;
    if !comments.missing.is_empty() {
        return Err(SchemaError::NoComment { names: comments.missing.into_iter().collect() });
    }
    Ok((comments.table(), methods::of(request).map_err(code)?, Layouts::of(request).map_err(code)?))
}
