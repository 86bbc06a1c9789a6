//! The root of a crate of its own, `app-rpc/fuzz`: what reads bytes of strangers, compiled for its fuzz targets, which get at what is
//! private here without making it public for everybody.
//!
//! Nothing of `app-rpc` refers to this file. It lies here because modules are looked for beside the root of their crate.

#[allow(dead_code, unused_imports, reason = "fuzz targets use a part of it")]
mod connection;
#[path = "../fuzz/src/conversation.rs"]
pub mod conversation;
mod framing;
#[allow(dead_code, reason = "configs and clients use a part of it")]
mod limits;
#[path = "../fuzz/src/memory.rs"]
pub mod memory;
#[path = "../fuzz/src/pieces.rs"]
pub mod pieces;

/// Stands for the module of `app-rpc` with this name, which needs its TLS and `app-core`: no text is fuzzed here.
mod words {
    use std::{io, time::Duration};

    pub(crate) fn of_io(error: &io::Error) -> String {
        error.to_string()
    }

    pub(crate) fn duration(time: Duration) -> String {
        format!("{time:?}")
    }
}

pub use self::connection::End;
pub use self::limits::Limits;
