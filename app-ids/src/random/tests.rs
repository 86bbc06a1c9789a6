//! Tests of random.
