//! Slots in which signal handlers leave their answers: static memory, synchronized by atomics alone.
//!
//! One thread at a time asks (it holds the lock of `capture`). Any number of handlers may run, some of them late. The state
//! of a slot is one word, with the number of a question and a phase:
//!
//! ```text
//! Free --ask--> Asked --claim (handler)--> Writing --publish (handler)--> Done
//!   ^             |                                                        |
//!   '--withdraw---'                        ask: the next question <--------'
//! ```
//!
//! Invariants:
//!
//! 1. The asking thread moves a slot out of `Free` and `Done`, and out of `Asked` by withdrawing. A handler moves it out of
//!    `Asked` by claiming, and out of `Writing`. Only `Asked` has two possible writers, which use compare-and-swap.
//! 2. `tid` is only written in `Free` and `Done`. Frames are only written in `Writing`, by the thread that claimed.
//! 3. A slot in `Writing` gets no other question, however long the phase lasts, so a late answer cannot reach a later
//!    question. The slot is out of use until its thread is done; the pool has others.
//! 4. Numbers of questions never repeat. So a handler that was delayed between reading `tid` and claiming cannot claim a
//!    slot that was withdrawn and reused in between.
//! 5. Except for [`Slot::frames`], nothing here allocates, locks, waits or panics, because it may run in a signal handler.

use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};

/// The most frames that are kept of one thread.
pub(super) const MAX_FRAMES: usize = 128;

/// The number of slots. If this many threads are stuck in the middle of an answer, no thread can be asked any more.
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

/// A question: the state of its slot in phase `ASKED`.
#[derive(Clone, Copy)]
pub(super) struct Question(u64);

/// The progress of a question.
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

    /// Puts a question to the thread. `None` while an earlier question is being answered (invariant 3).
    fn ask(&self, tid: i32) -> Option<Question> {
        // Acquire: pairs with `publish`. The writes of the earlier answer happen before those of the next one.
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
        // Acquire: pairs with `publish`, so that `Done` implies that the frames are visible.
        match self.state.load(Ordering::Acquire) {
            state if state == question.0 => Status::Unanswered,
            state if state & PHASE == WRITING => Status::Writing,
            _ => Status::Done,
        }
    }

    /// Withdraws the question. Returns `false` if a handler has already claimed it.
    pub(super) fn withdraw(&self, question: Question) -> bool {
        let free = (question.0 & !PHASE) + FREE;
        // Relaxed: the swap publishes no data, and by itself makes a later claim fail.
        self.state.compare_exchange(question.0, free, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The addresses of the answer. Only for a question whose status is `Done`.
    pub(super) fn frames(&self) -> Vec<usize> {
        let len = self.len.load(Ordering::Relaxed).min(MAX_FRAMES);
        self.frames.iter().take(len).map(|frame| frame.load(Ordering::Relaxed)).collect()
    }

    /// For the handler: claims the question, if it is for this thread and was not withdrawn.
    fn claim(&self, tid: i32) -> Option<Claim<'_>> {
        // Acquire: pairs with the store in `ask`.
        let state = self.state.load(Ordering::Acquire);
        if state & PHASE != ASKED || self.tid.load(Ordering::Relaxed) != tid {
            return None;
        }
        let writing = (state & !PHASE) + WRITING;
        // Acquire: the writes of this handler to the slot happen after the claim.
        self.state.compare_exchange(state, writing, Ordering::Acquire, Ordering::Relaxed).ok()?;
        self.len.store(0, Ordering::Relaxed);
        Some(Claim { slot: self, writing })
    }
}

/// The right to write one answer (invariant 2). Without [`publish`](Self::publish), the slot stays in `Writing` for ever.
pub(super) struct Claim<'a> {
    slot: &'a Slot,
    writing: u64,
}

impl Claim<'_> {
    /// Adds an address. Returns `false` if there is no room.
    pub(super) fn push(&self, address: usize) -> bool {
        let len = self.slot.len.load(Ordering::Relaxed);
        let Some(frame) = self.slot.frames.get(len) else { return false };
        frame.store(address, Ordering::Relaxed);
        self.slot.len.store(len + 1, Ordering::Relaxed);
        true
    }

    /// Removes all addresses.
    pub(super) fn restart(&self) {
        self.slot.len.store(0, Ordering::Relaxed);
    }

    pub(super) fn publish(self) {
        // Release: pairs with `status` and with the next `ask`.
        self.slot.state.store(self.writing - WRITING + DONE, Ordering::Release);
    }
}

/// The slots of the signal handler, and the index of the one with the current question.
pub(super) struct Pool {
    slots: [Slot; SLOTS],
    current: AtomicUsize,
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self { slots: [const { Slot::new() }; SLOTS], current: AtomicUsize::new(0) }
    }

    /// Puts a question to the thread, in the first slot that is not in `Writing`. Only one thread at a time may call this.
    pub(super) fn ask(&self, tid: i32) -> Option<(&Slot, Question)> {
        let (index, slot, question) = self
            .slots
            .iter()
            .enumerate()
            .find_map(|(index, slot)| slot.ask(tid).map(|question| (index, slot, question)))?;
        // Release: pairs with the load in `claim`. A handler that still sees the previous index finds no question for its
        // thread there. It runs again, because the signal for this question is sent after this store.
        self.current.store(index, Ordering::Release);
        Some((slot, question))
    }

    /// For the handler: claims the current question, if it is for this thread and was not withdrawn.
    pub(super) fn claim(&self, tid: i32) -> Option<Claim<'_>> {
        self.slots.get(self.current.load(Ordering::Acquire))?.claim(tid)
    }
}
