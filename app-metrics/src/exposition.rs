//! The text that a scrape reads: the Prometheus text format 0.0.4, or OpenMetrics 1.0.
//!
//! A [`Scrape`] walks over a snapshot of the metrics. It writes as many bytes as the caller asks for, and continues in
//! the next call. So an answer of any length needs the memory of one slice, and other tasks can run between two slices.
//! A scrape takes no lock that counting needs.
//!
//! This crate writes the formats itself, which takes few lines. `prometheus-client` has no text 0.0.4, which keeps the
//! exact names of counters. It does not escape help, writes infinities in a form that parsers may reject, and cannot
//! pause within a family. A test compares the output of both.

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
