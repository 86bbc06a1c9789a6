//! Tests of the platform metrics.
