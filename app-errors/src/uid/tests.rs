//! Tests of uid.
