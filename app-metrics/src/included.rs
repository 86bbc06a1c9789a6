//! Metrics of other libraries in the same scrape: collectors, metrics and registries of `prometheus-client`, and what
//! dependencies record through the crate `metrics`.
//!
//! The library encodes what is included, and this crate reads the encoding while it is written. So a family stands once,
//! text is escaped, and both formats are right, whatever a collector writes. What it cannot use is left out and counted
//! in `included_dropped`, and the log says it once for each source and reason.
//!
//! Rules for a source:
//! 1. It runs on a thread of its own, within [`collect::PER_SOURCE`]. All sources together have [`collect::IN_ALL`].
//!    A source that takes longer is left out of the scrape, and is not asked again until it has returned.
//! 2. A panic is caught. What the source wrote before it is left out.
//! 3. A family has at most as many series as a vector (`maxSeriesPerVector`), and a source keeps at most
//!    [`intake::MAX_BYTES`].
//! 4. A name that a metric of this program has, with ids or readable, stays with that metric. Of two sources with one
//!    name and two types, the first that was included has it.

mod collect;
mod facade;
mod intake;
mod labels;
mod merge;
mod meters;
mod model;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use collect::Sources;
pub(crate) use facade::{DEFAULT_BUCKETS, Facade, FacadeSettings};
pub(crate) use merge::merged;
pub use meters::INCLUDED_DROPPED;
pub(crate) use meters::IncludedMeters;
pub(crate) use model::{ForeignFamily, ForeignSample, Part};
pub use source::{Included, Source};
