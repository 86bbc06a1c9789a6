//! The committed code is what the committed schema generates.

#[path = "../../schema/tests/generated.rs"]
mod generated;
