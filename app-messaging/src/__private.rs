//! What the macros of this crate name in the crates of their users.

pub use crate::types::stored;
pub use app_ids::{IdName, MessageId, StreamId};
pub use {capnp, inventory};
