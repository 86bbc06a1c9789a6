//! Configs as people write them: JSON to a message, strictly, and back.
//!
//! What is written is meant. So nothing is guessed, rounded, ignored or taken twice: whatever does not fit the schema is a
//! problem with its path, and all of them come at once. One way leads from JSON to a message, and the way back is such
//! that a message that came from JSON gives JSON that means the same, byte for byte every time.
//!
//! | in the schema | in JSON |
//! |---|---|
//! | `Bool` | `true`, `false` |
//! | `Int8` .. `Int64`, `UInt8` .. `UInt32` | a number in plain digits |
//! | `UInt64`, which is what ids are | text such as `"0xe3054017c1b1d214"`; read also as a number in plain digits |
//! | `Float32`, `Float64` | a number that survives; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `Text`, the values of enums | text |
//! | `Data` | base64; read also from a file, as `"@name"` |
//! | `List` | a list |
//! | structs, groups | an object |
//! | `Void`, in unions | `true` |
//!
//! A field that is not there has its default, and a field that has its default is not there.

mod draft;
mod member;
mod near;
mod number;
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
pub(crate) use self::print::{pretty, scalar};
pub use self::read::{MAX_JSON_BYTES, from_json};
pub(crate) use self::root::{checked, init, read};
pub(crate) use self::tree::{Tree, parse};
pub use self::write::to_json;
pub(crate) use self::write::{is_active, leaf};
