//! What somebody who writes configs needs: what a config may say, an example, a file made from JSON that is known to be
//! good, JSON from a file, and what differs between two.
//!
//! A library, so that every application and the operator's own program do the same.

mod compile;
mod diff;
mod docs;
mod example;
mod explain;
mod place;
#[cfg(test)]
mod tests;

pub(crate) use self::compile::compile_with_remarks;
pub use self::compile::{compile, decompile};
pub use self::diff::{Change, diff};
pub use self::docs::SchemaDocs;
pub use self::example::example;
pub use self::explain::{FieldDoc, explain, fields};
pub use self::place::{Overwrite, PlaceError, place_file, place_file_with_mode};
