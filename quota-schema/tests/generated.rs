//! The committed code is what the committed schema generates.

// The included file uses it.
use app_build as _;

#[path = "../../schema/tests/generated.rs"]
mod generated;
