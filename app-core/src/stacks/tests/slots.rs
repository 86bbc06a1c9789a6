//! Questions and answers through slots, without a signal.

use std::sync::Barrier;
use std::thread;

use crate::stacks::slot::{MAX_FRAMES, Pool, Status};

#[test]
fn an_answer_is_what_was_pushed() {
    let pool = Pool::new();
    let (slot, question) = pool.ask(7).unwrap();
    assert_eq!(slot.status(question), Status::Unanswered);
    let claim = pool.claim(7).unwrap();
    assert_eq!(slot.status(question), Status::Writing);
    assert!(claim.push(1));
    claim.restart();
    assert!(claim.push(2) && claim.push(3));
    claim.publish();
    assert_eq!(slot.status(question), Status::Done);
    assert_eq!(slot.frames(), [2, 3]);
}

#[test]
fn only_the_thread_that_was_asked_can_answer_and_only_once() {
    let pool = Pool::new();
    assert!(pool.claim(0).is_none(), "no thread was asked");
    let (_slot, _question) = pool.ask(7).unwrap();
    assert!(pool.claim(8).is_none());
    pool.claim(7).unwrap().publish();
    assert!(pool.claim(7).is_none());
}

#[test]
fn a_withdrawn_question_is_not_answered() {
    let pool = Pool::new();
    let (slot, question) = pool.ask(7).unwrap();
    assert!(slot.withdraw(question));
    assert!(pool.claim(7).is_none());
}

#[test]
fn a_claimed_question_cannot_be_withdrawn() {
    let pool = Pool::new();
    let (slot, question) = pool.ask(7).unwrap();
    let claim = pool.claim(7).unwrap();
    assert!(!slot.withdraw(question));
    claim.publish();
}

#[test]
fn a_slot_that_is_being_written_gets_no_other_question() {
    let pool = Pool::new();
    let (first, _) = pool.ask(7).unwrap();
    let late = pool.claim(7).unwrap();
    late.push(77);

    let (second, question) = pool.ask(8).unwrap();
    assert!(!std::ptr::eq(first, second));
    let claim = pool.claim(8).unwrap();
    claim.push(88);
    late.push(77);
    late.publish();
    claim.publish();
    assert_eq!(second.status(question), Status::Done);
    assert_eq!(second.frames(), [88]);

    let (third, _) = pool.ask(9).unwrap();
    assert!(std::ptr::eq(first, third), "the late answer is complete, so its slot is free again");
}

#[test]
fn without_a_free_slot_no_thread_is_asked_and_one_answer_frees_a_slot() {
    let pool = Pool::new();
    let mut stuck = Vec::new();
    while pool.ask(7).is_some() {
        stuck.push(pool.claim(7).unwrap());
        assert!(stuck.len() < 1_000);
    }
    assert_eq!(stuck.len(), 64);
    stuck.pop().unwrap().publish();
    assert!(pool.ask(8).is_some());
}

#[test]
fn an_answer_has_room_for_128_frames() {
    let pool = Pool::new();
    let (slot, _) = pool.ask(7).unwrap();
    let claim = pool.claim(7).unwrap();
    assert_eq!((1..=1_000).take_while(|address| claim.push(*address)).count(), MAX_FRAMES);
    claim.publish();
    assert_eq!(slot.frames(), (1..=MAX_FRAMES).collect::<Vec<_>>());
}

#[test]
fn either_the_withdrawal_or_the_claim_of_a_question_succeeds() {
    let pool = Pool::new();
    let barrier = Barrier::new(2);
    let rounds = 0..2_000;
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in rounds.clone() {
                barrier.wait();
                if let Some(claim) = pool.claim(7) {
                    claim.push(round);
                    claim.publish();
                }
                barrier.wait();
            }
        });
        for round in rounds.clone() {
            let (slot, question) = pool.ask(7).unwrap();
            barrier.wait();
            let withdrawn = slot.withdraw(question);
            barrier.wait();
            let status = slot.status(question);
            assert_eq!(status, Status::Done);
            assert!(withdrawn || slot.frames() == [round]);
        }
    });
}
