//! The list of a vector's series: a reader sees what was there before it began.

use crate::check;
use crate::source::vector::slots::Slots;
use loom::thread;
use std::sync::Arc;

#[test]
fn a_reader_sees_all_that_was_set_before_it_began_and_in_order() {
    check(|| {
        let slots = Arc::new(Slots::default());
        slots.set(0, Some(Arc::new(0)));
        let theirs = Arc::clone(&slots);
        let writer = thread::spawn(move || {
            theirs.set(1, Some(Arc::new(1)));
            // In the second block, which this call allocates.
            theirs.set(8, Some(Arc::new(8)));
            theirs.set(1, None);
        });
        let seen: Vec<usize> = slots.iter_from(0).map(|(index, _)| index).collect();
        assert!([&[0][..], &[0, 1], &[0, 1, 8], &[0, 8]].contains(&&*seen), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(slots.iter_from(0).map(|(_, entry)| *entry).collect::<Vec<_>>(), [0, 8]);
    });
}
