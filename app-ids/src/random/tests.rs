//! Numbers differ, with and without the operating system's help.

use std::collections::HashSet;

use super::*;

#[test]
fn numbers_differ_and_are_not_zero() {
    let numbers: HashSet<u64> = (0..10_000).map(|_| random_u64()).collect();
    assert_eq!(numbers.len(), 10_000);
    assert!(!numbers.contains(&0));
}

#[test]
fn numbers_differ_without_the_source_of_randomness() {
    let numbers: HashSet<u64> = (0..10_000).map(|_| mixed()).collect();
    assert_eq!(numbers.len(), 10_000);
}
