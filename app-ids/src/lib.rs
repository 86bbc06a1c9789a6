//! Typed 64-bit ids: their types, their text forms, and their names for people.
//!
//! Services, errors, log events, metrics and health checks are tracked across processes, releases and years. Each has a random
//! 64-bit id. So do the domain, app, release and instance that they come from. Numbers outlive renamed code, do not collide between
//! teams, and are small on the wire. Each kind has its own type, so you can't pass a metric's id for a service's.
//!
//! Every crate uses this one, so that an id has the same text everywhere. The crate does not know which things have ids.
//!
//! | form | example | where |
//! |---|---|---|
//! | [`Display`](std::fmt::Display), `hex()`, serde | `ce1f32c680e1ef0b` | logs, labels, JSON |
//! | [`LowerHex`](std::fmt::LowerHex) with `#` | `0xce1f32c680e1ef0b` | file names, flags |
//! | [`FromStr`](std::str::FromStr) | `0xce1f32c680e1ef0b` or `14852645924238389003` | flags, file names |
//! | `describe()` | `quota (ce1f32c680e1ef0b)` | text for people |
//!
//! [`FromStr`](std::str::FromStr) reads digits without a prefix as decimal, because people write flags. serde reads them as hex,
//! because programs wrote them with [`Display`](std::fmt::Display). Both read `{:#x}` in the same way.
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

// Each crate of the platform that runs something depends on this one.
#[cfg(not(target_os = "linux"))]
compile_error!(
    "the application service platform runs on Linux alone: build for a Linux target, or inside of a Linux container or virtual machine"
);

mod hex;
mod id;
mod kind;
mod names;
mod parse;
mod random;
mod unique;

pub use id::{
    AppId, BucketId, DomainId, ErrorId, HealthCheckId, InstanceId, LogEventId, MessageId, MetricId,
    ReleaseId, ServiceId, StreamId,
};
pub use kind::IdKind;
pub use names::{Described, IdName};
pub use parse::{IdFlaw, ParseIdError};
pub use random::random_u64;
pub use unique::{unique_u64, unique_u128};

/// For the macros of this crate and of those above it: they expand to `inventory::submit!`.
#[doc(hidden)]
pub use inventory as __inventory;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
