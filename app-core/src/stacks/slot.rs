//! Where a signal handler leaves its answer: memory set aside beforehand, handed over by atomics alone.
//!
//! One thread asks at a time (it holds the lock of `capture`); any number of handlers may run, some of them
//! late. A slot's state is one word, a question's number and a phase:
//!
//! ```text
//! Free --ask--> Asked --claim (handler)--> Writing --publish (handler)--> Done
//!   ^             |                                                        |
//!   '--withdraw---'                        ask: the next question <--------'
//! ```
//!
//! Invariants:
//!
//! 1. Only the asker leaves `Free`, `Done` and (by withdrawing) `Asked`; only a handler leaves `Asked` (by
//!    claiming) and `Writing`. `Asked` is the only state that two threads compete for, by compare-and-swap.
//! 2. `tid` is written only in `Free` and `Done`; frames only in `Writing`, by the one thread that claimed.
//! 3. A slot in `Writing` is never given to another question, however long that lasts: a late answer can't
//!    reach the question after it. That slot is lost until its thread is done; the pool has more.
//! 4. Numbers of questions never repeat, so a handler that was held up between reading `tid` and claiming
//!    fails to claim a slot that was withdrawn and reused meanwhile.
//! 5. Nothing here allocates, locks, waits or panics: all of it may run in a signal handler.

use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// Frames kept of one thread.
pub(super) const MAX_FRAMES: usize = 128;

/// Slots, and so threads that may be stuck in the middle of an answer before nobody can be asked any more.
const SLOTS: usize = 64;

const FREE: u64 = 0;
const ASKED: u64 = 1;
const WRITING: u64 = 2;
const DONE: u64 = 3;
const PHASE: u64 = 0b11;
const NEXT_QUESTION: u64 = PHASE + 1;

/// One question to one thread, and its answer.
pub(super) struct Slot {
    state: AtomicU64,
    tid: AtomicI32,
    len: AtomicUsize,
    frames: [AtomicUsize; MAX_FRAMES],
}

/// A question that was asked: the state of its slot in phase `ASKED`.
#[derive(Clone, Copy)]
pub(super) struct Question(u64);

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    Unanswered,
    Writing,
    Done,
}

impl Slot {
    const fn new() -> Self {
        Self {
            state: AtomicU64::new(FREE),
            tid: AtomicI32::new(0),
            len: AtomicUsize::new(0),
            frames: [const { AtomicUsize::new(0) }; MAX_FRAMES],
        }
    }

    /// Puts a question to the thread; `None` while an earlier one is being answered (invariant 3).
    fn ask(&self, tid: i32) -> Option<Question> {
        // Acquire: pairs with `publish`, whose writes to the frames come before the next question's.
        let state = self.state.load(Ordering::Acquire);
        if state & PHASE == WRITING || state & PHASE == ASKED {
            return None;
        }
        self.tid.store(tid, Ordering::Relaxed);
        let asked = (state & !PHASE) + NEXT_QUESTION + ASKED;
        // Release: pairs with the load in `claim`, which then sees this tid.
        self.state.store(asked, Ordering::Release);
        Some(Question(asked))
    }

    pub(super) fn status(&self, question: Question) -> Status {
        // Acquire: pairs with `publish`, so that whoever sees `Done` sees the frames.
        match self.state.load(Ordering::Acquire) {
            state if state == question.0 => Status::Unanswered,
            state if state & PHASE == WRITING => Status::Writing,
            _ => Status::Done,
        }
    }

    /// Takes the question back. True if nobody will answer it any more; false if somebody has begun to.
    pub(super) fn withdraw(&self, question: Question) -> bool {
        let free = (question.0 & !PHASE) + FREE;
        // Relaxed: no data is handed over; that the handler fails to claim follows from the swap itself.
        self.state.compare_exchange(question.0, free, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The addresses of a question whose status is `Done`.
    pub(super) fn frames(&self) -> Vec<usize> {
        let len = self.len.load(Ordering::Relaxed).min(MAX_FRAMES);
        self.frames.iter().take(len).map(|frame| frame.load(Ordering::Relaxed)).collect()
    }

    /// In the handler: takes the question if it is for this thread and still stands.
    fn claim(&self, tid: i32) -> Option<Claim<'_>> {
        // Acquire: pairs with the store in `ask`.
        let state = self.state.load(Ordering::Acquire);
        if state & PHASE != ASKED || self.tid.load(Ordering::Relaxed) != tid {
            return None;
        }
        let writing = (state & !PHASE) + WRITING;
        // Acquire: what this handler writes to the slot stays after the claim.
        self.state.compare_exchange(state, writing, Ordering::Acquire, Ordering::Relaxed).ok()?;
        self.len.store(0, Ordering::Relaxed);
        Some(Claim { slot: self, writing })
    }
}

/// The right to write one answer (invariant 2). Forgotten, it leaves its slot in `Writing` for ever.
pub(super) struct Claim<'a> {
    slot: &'a Slot,
    writing: u64,
}

impl Claim<'_> {
    /// Adds an address. False when there is no room for it.
    pub(super) fn push(&self, address: usize) -> bool {
        let len = self.slot.len.load(Ordering::Relaxed);
        let Some(frame) = self.slot.frames.get(len) else { return false };
        frame.store(address, Ordering::Relaxed);
        self.slot.len.store(len + 1, Ordering::Relaxed);
        true
    }

    /// Forgets the addresses so far.
    pub(super) fn restart(&self) {
        self.slot.len.store(0, Ordering::Relaxed);
    }

    pub(super) fn publish(self) {
        // Release: pairs with `status` and with the next `ask`.
        self.slot.state.store(self.writing - WRITING + DONE, Ordering::Release);
    }
}

/// The slots of one signal handler, and which of them holds the question of the moment.
pub(super) struct Pool {
    slots: [Slot; SLOTS],
    current: AtomicUsize,
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self { slots: [const { Slot::new() }; SLOTS], current: AtomicUsize::new(0) }
    }

    /// Puts a question to the thread, in the first slot that is not held up. Call from one thread at a time.
    pub(super) fn ask(&self, tid: i32) -> Option<(&Slot, Question)> {
        let (index, slot, question) = self
            .slots
            .iter()
            .enumerate()
            .find_map(|(index, slot)| slot.ask(tid).map(|question| (index, slot, question)))?;
        // Release: pairs with the load in `claim`. A handler that still sees the index before this one finds
        // nothing to claim there, and runs again: the signal for this question is sent after this store.
        self.current.store(index, Ordering::Release);
        Some((slot, question))
    }

    /// In the handler: the question of the moment, if it is for this thread and still stands.
    pub(super) fn claim(&self, tid: i32) -> Option<Claim<'_>> {
        self.slots.get(self.current.load(Ordering::Acquire))?.claim(tid)
    }
}
