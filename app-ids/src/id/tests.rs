//! Tests of id.
