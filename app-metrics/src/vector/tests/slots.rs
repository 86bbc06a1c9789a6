//! Tests of the list.

use crate::vector::slots::{BLOCKS, CAPACITY, Slots, place};
use std::sync::Arc;

#[test]
fn indexes_are_places_without_gaps() {
    assert_eq!(place(0), (0, 0));
    assert_eq!(place(7), (0, 7));
    assert_eq!(place(8), (1, 0));
    assert_eq!(place(23), (1, 15));
    assert_eq!(place(24), (2, 0));
    assert_eq!(place(CAPACITY - 1).0, BLOCKS - 1);
    assert_eq!(place(CAPACITY).0, BLOCKS);
}

#[test]
fn filled_slots_are_read_in_order_and_cleared_ones_are_not() {
    let slots = Slots::default();
    for index in 0..100 {
        slots.set(index, Some(Arc::new(index)));
    }
    slots.set(50, None);
    for first in [0, 1, 7, 8, 9, 49, 50, 51, 99, 100, CAPACITY, usize::MAX / 2] {
        let seen: Vec<_> = slots.iter_from(first).map(|(index, entry)| (index, *entry)).collect();
        let expected: Vec<_> =
            (first..100).filter(|index| *index != 50).map(|index| (index, index)).collect();
        assert_eq!(seen, expected, "from {first}");
    }
}
