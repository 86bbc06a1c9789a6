//! The root of another crate, `app-rpc/fuzz`: the modules that read bytes of strangers, compiled for fuzz targets. The targets use
//! private items that way, and `app-rpc` does not have to make them public.
//!
//! Nothing in `app-rpc` refers to this file. It is here because a crate looks for its modules beside its root.

#[allow(dead_code, unused_imports, reason = "fuzz targets use a part of it")]
mod connection;
#[path = "../fuzz/src/conversation.rs"]
pub mod conversation;
#[allow(dead_code, reason = "handlers and clients use a part of it")]
mod extra;
mod framing;
#[allow(dead_code, reason = "configs and clients use a part of it")]
mod limits;
#[path = "../fuzz/src/memory.rs"]
pub mod memory;
#[path = "../fuzz/src/pieces.rs"]
pub mod pieces;
#[allow(dead_code, reason = "handlers and clients use a part of it")]
mod trailer;

/// Replaces the module of `app-rpc` with this name, which needs TLS and `app-core`. The fuzz targets do not test its texts.
mod words {
    use std::{io, time::Duration};

    pub(crate) fn of_io(error: &io::Error) -> String {
        error.to_string()
    }

    pub(crate) fn duration(time: Duration) -> String {
        format!("{time:?}")
    }
}

/// Replaces the module with this name, too.
mod spans {
    use crate::extra::CallerTrace;

    pub(crate) fn client_sends(_: (u64, u16)) -> Option<CallerTrace> {
        None
    }
}

pub use self::connection::End;
pub use self::limits::Limits;
