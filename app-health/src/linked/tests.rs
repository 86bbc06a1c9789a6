//! Tests of linked.
