//! Typed 64-bit ids: what they are, how they print and parse, and the names people know them by.
//!
//! Everything that is tracked across processes, releases and years has a random 64-bit number for a name: services,
//! errors, log events, metrics, health checks, and the domain, app, release and instance that they come from. Numbers
//! outlive renamed code, don't collide between teams, and are small on the wire. Each sort of thing has a type of its
//! own, so that a metric's id can't be passed for a service's.
//!
//! The crate exists so that every other one agrees on one printed form. It holds no registry of things: who has an id,
//! and what it does, is the business of the crates above.
//!
//! | form | example | where |
//! |---|---|---|
//! | [`Display`](std::fmt::Display), `hex()`, serde | `ce1f32c680e1ef0b` | logs, labels, JSON |
//! | [`LowerHex`](std::fmt::LowerHex) with `#` | `0xce1f32c680e1ef0b` | file names, flags |
//! | [`FromStr`](std::str::FromStr) | `0xce1f32c680e1ef0b` or `14852645924238389003` | flags, file names |
//! | `describe()` | `quota (ce1f32c680e1ef0b)` | text for people |
//!
//! [`FromStr`](std::str::FromStr) reads bare digits as decimal, because people write flags; serde reads them as
//! hexadecimal, because programs wrote them with [`Display`](std::fmt::Display). `{:#x}` is the form that both read
//! alike.
//!
//! ```
//! use app_ids::{MetricId, ServiceId, ids};
//!
//! ids! {
//!     /// Service id of the quota service.
//!     pub QUOTA: ServiceId = 0xce1f_32c6_80e1_ef0b, "quota";
//! }
//!
//! assert_eq!(QUOTA.hex(), "ce1f32c680e1ef0b");
//! assert_eq!(QUOTA.describe().to_string(), "quota (ce1f32c680e1ef0b)");
//! assert_eq!("0xce1f32c680e1ef0b".parse(), Ok(QUOTA));
//! assert_eq!(MetricId::new(0x1f).prometheus_name(QUOTA), "op_ce1f32c680e1ef0b_1f");
//! ```

mod hex;
mod id;
mod names;
mod parse;
mod random;

pub use id::{
    AppId, DomainId, ErrorId, HealthCheckId, IdKind, InstanceId, LogEventId, MetricId, ReleaseId, ServiceId,
};
pub use names::{Described, IdName};
pub use parse::{IdFlaw, ParseIdError};
pub use random::random_u64;

/// For the macros of this crate and of those above it: `inventory::submit!` must be reachable from where they expand.
#[doc(hidden)]
pub use inventory as __inventory;
