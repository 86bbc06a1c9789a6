//! Tests of stack.
