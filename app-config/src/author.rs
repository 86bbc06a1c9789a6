//! Authoring configs: which fields a config has, an example, a file from JSON, JSON from a file, and the difference of two.
//!
//! The commands `config ..` of every application and of `appctl` use these functions.

mod compile;
mod diff;
mod example;
mod explain;
mod place;
#[cfg(test)]
mod tests;

pub(crate) use self::compile::compile_with_remarks;
pub use self::compile::{compile, decompile};
pub use self::diff::{Change, diff};
pub use self::example::{example, example_of};
pub use self::explain::{FieldDoc, explain, fields};
pub use self::place::{Overwrite, PlaceError, place_file, place_file_with_mode};
pub use crate::docs::SchemaDocs;
pub use crate::json::{Draft, MAX_JSON_BYTES, from_json, reader_to_json, to_json};

/// Registers the comments of a schema, for [`explain`](crate::author::explain): `schema_docs! { DOCS }`.
#[macro_export]
macro_rules! schema_docs {
    ($table:expr) => {
        $crate::__private::inventory::submit! { $crate::author::SchemaDocs($table) }
    };
}
