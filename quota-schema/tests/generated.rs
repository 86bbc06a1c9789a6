//! The committed code is what the committed schema generates.

// The included file uses both.
use {capnpc as _, tempfile as _};

#[path = "../../schema/tests/generated.rs"]
mod generated;
