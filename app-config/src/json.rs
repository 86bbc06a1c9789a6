//! Strict conversion of JSON, which people write, to a message and back.
//!
//! Nothing in the JSON is guessed, rounded, ignored or taken twice. Everything that does not match the schema is a problem with its
//! path, and all problems are reported at once. A message that came from JSON gives JSON with the same meaning. The same message
//! always gives the same bytes.
//!
//! | in the schema | in JSON |
//! |---|---|
//! | `Bool` | `true`, `false` |
//! | `Int8` .. `Int64`, `UInt8` .. `UInt32` | a number in plain digits |
//! | `UInt64`, the type of ids | text such as `"0xe3054017c1b1d214"`; also read as a number in plain digits |
//! | `Float32`, `Float64` | a number that the float keeps; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `Text`, the values of enums | text |
//! | `Data` | base64; also read from a file, as `"@name"` |
//! | `List` | a list |
//! | structs, groups | an object |
//! | `Void`, in unions | `true` |
//!
//! A field that is left out has its default. A field that has its default is left out.

mod draft;
mod member;
mod near;
mod number;
mod parse;
mod print;
mod read;
mod root;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
mod tree;
mod write;

pub use self::draft::Draft;
pub(crate) use self::member::{Member, default_of, members};
pub(crate) use self::parse::parse;
pub(crate) use self::print::{pretty, scalar};
pub use self::read::{MAX_JSON_BYTES, from_json};
pub(crate) use self::root::{checked, init, read};
pub(crate) use self::tree::Tree;
pub(crate) use self::write::{is_active, leaf};
pub use self::write::{reader_to_json, to_json};
