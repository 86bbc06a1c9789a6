//! What a scrape reads: the Prometheus text format 0.0.4, or OpenMetrics 1.0.
//!
//! A [`Scrape`] is a walk over a snapshot of the metrics that writes as much as it is asked for and goes on later. So an
//! answer of any length needs the memory of a slice, and whoever sends it can let others run between two slices. It
//! takes no lock that counting needs.
//!
//! The writing is done here, since the formats are two dozen lines and `prometheus-client` has only one of them: it
//! knows no 0.0.4, whose counters keep their exact names, escapes no help, writes infinities as no parser promises to
//! read them, and can't stop inside of a family. A test compares what both write of the same metrics.

mod format;
mod line;
mod process;
mod reader;
mod scrape;
#[cfg(test)]
mod tests;

pub use format::Format;
pub(crate) use process::ProcessMetrics;
pub use reader::Exposition;
pub(crate) use scrape::{Progress, Scrape};
