//! What a scrape reads: the Prometheus text format 0.0.4.
//!
//! The encoder is that of `prometheus-client`, which writes OpenMetrics. What 0.0.4 needs otherwise is done here:
//! a counter is announced as one and its sample is written as a gauge's is, since only that keeps its exact name (a
//! counter's always gets `_total`); help is escaped, since the library doesn't; there is no `# EOF`, which 0.0.4 takes for
//! a comment. The OpenMetrics form is the same walk with the library's own counter, `_total` and end.

mod process;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use process::ProcessMetrics;
pub(crate) use text::encode;

/// The content type of what [`encode`] writes.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
