//! Command lines: read the same way by every application and every tool.
//!
//! - An empty `OP_*` variable counts as unset ([`matches()`]).
//! - Spaces and line breaks around a value are dropped, in flags and variables alike ([`trimmed`], [`number`], [`boolean`]).
//! - A duration is written one way everywhere ([`duration_between`]).
//! - The error for a refused value is one line, with the variable that the value came from.
//! - A flag before a subcommand counts for the subcommand, or is refused.

mod before;
mod environment;
mod parse;
mod refusal;
mod values;

pub use self::{
    parse::matches,
    values::{address, boolean, duration_between, number, trimmed},
};

pub(crate) use self::{
    environment::misspelt,
    parse::{no_meaning, refuse},
};
