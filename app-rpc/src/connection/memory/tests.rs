//! Charges and refunds of a budget.

use super::*;

#[test]
fn a_part_is_charged_to_the_whole_and_both_limits_hold() {
    let whole = Memory::new(10 * PIECE);
    let (one, other) = (whole.part(8 * PIECE), whole.part(8 * PIECE));
    let (first, second) = (Credit::new(one.clone()), Credit::new(other.clone()));
    assert!(first.charge(8 * PIECE) && !first.charge(1), "its own limit");
    assert!(!second.charge(3 * PIECE), "the limit of the whole");
    assert_eq!((whole.taken(), other.taken()), (8 * PIECE, 0));
    assert!(second.charge(2 * PIECE) && !second.charge(1));
    first.refund(8 * PIECE);
    // One piece stays with the connection.
    assert_eq!((whole.taken(), one.taken()), (3 * PIECE, PIECE));
    drop((first, second));
    assert_eq!((whole.taken(), one.taken(), other.taken()), (0, 0, 0));
}

#[test]
fn small_charges_leave_the_budget_alone() {
    let memory = Memory::new(PIECE + 100);
    let credit = Credit::new(memory.clone());
    for _ in 0..1000 {
        assert!(credit.charge(3000) && credit.charge(50));
        assert_eq!(memory.taken(), PIECE);
        credit.refund(3050);
        assert_eq!((credit.used(), memory.taken()), (0, PIECE));
    }
    // Near the limit less than a piece is taken.
    assert!(credit.charge(PIECE + 100) && !credit.charge(1));
    assert_eq!(memory.taken(), PIECE + 100);
}

#[test]
fn what_is_taken_beyond_the_limit_comes_back_and_a_limit_can_change() {
    let memory = Memory::new(100);
    let credit = Credit::new(memory.clone());
    credit.overdraw(1000);
    assert_eq!((credit.used(), memory.taken()), (1000, 1000));
    assert!(!credit.charge(1) && !credit.charge(usize::MAX));
    memory.set_limit(1001);
    assert!(credit.charge(1));
    drop(credit);
    assert_eq!(memory.taken(), 0);
}

#[test]
fn threads_never_take_more_than_there_is() {
    let memory = Memory::new(20 * PIECE);
    let (granted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (memory, granted, refused) = (memory.clone(), &granted, &refused);
            scope.spawn(move || {
                let credit = Credit::new(memory.part(8 * PIECE));
                for round in 0..20_000_usize {
                    let bytes = (round * 7919 + thread * 104_729) % (6 * PIECE);
                    if credit.charge(bytes) {
                        assert!(memory.taken() <= 20 * PIECE);
                        granted.fetch_add(1, Ordering::Relaxed);
                        if round % 3 > 0 || credit.used() > 10 * PIECE {
                            credit.refund(credit.used());
                        }
                    } else {
                        refused.fetch_add(1, Ordering::Relaxed);
                        credit.refund(credit.used());
                    }
                }
            });
        }
    });
    assert!(granted.into_inner() > 0);
    assert!(refused.into_inner() > 0, "nobody came to the limit");
    assert_eq!(memory.taken(), 0);
}

#[test]
fn calls_of_all_connections_of_a_client_are_counted_together() {
    let memory = Memory::new(1 << 20);
    let [first, second] = [(); 2].map(|()| Credit::of_connection(memory.clone()));
    assert!(first.begin_call(3) && first.begin_call(3) && second.begin_call(3));
    assert!(!first.begin_call(3) && !second.begin_call(3), "three are in flight");
    second.end_call();
    assert!(second.begin_call(3));
    // The calls of a closed connection do not count.
    drop(first);
    assert!(second.begin_call(3) && second.begin_call(3) && !second.begin_call(3));
    drop(second);
    assert_eq!(memory.0.calls.load(Ordering::Relaxed), 0);
}
