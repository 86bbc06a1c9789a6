//! What [`shard`](super::shard) is made of; its model (`tests/models.rs`) has the checker's in place of these.

use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use arc_swap::ArcSwapOption;

pub(super) type Loaded<T> = arc_swap::Guard<Option<Arc<T>>>;
