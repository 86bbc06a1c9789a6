//! app-metrics.
