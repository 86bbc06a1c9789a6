//! Tests of constructors.
