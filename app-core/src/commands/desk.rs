//! Where the state of a command server lies, and whose turn it is to run commands on it.
//!
//! The server's task takes turns for the commands of its queue. Whoever hands a command over may have a turn of his own,
//! when nobody else has one and nothing waits: to run a short command costs less than to wake somebody who runs it.
//!
//! Invariants:
//! 1. Who has a [`Turn`] holds the lock of the state: commands run one after another, wherever they run.
//! 2. `waiting` is never less than the number of commands that are in the queue, or were taken out of it and have not
//!    run: it is raised before a command goes into the queue, and lowered in the turn in which it ran. So a command that
//!    runs at once runs after all that was accepted before it was handed over.
//! 3. A command that panics leaves no state behind, and nothing runs after it.
//! 4. Nothing that is handed over after [`close`](Desk::close) runs at once.
//!
//! `waiting` is relaxed: whoever hands a command over sees what he, or somebody he knows of, has raised before, and what
//! lowered it since happened in a turn, whose lock orders what the commands did.

use std::hint;

use super::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};

pub(crate) struct Desk<S> {
    state: Mutex<Option<S>>,
    waiting: AtomicUsize,
    over: AtomicBool,
}

impl<S> Desk<S> {
    /// Without a state, nothing runs.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(None), waiting: AtomicUsize::new(0), over: AtomicBool::new(false) }
    }

    /// Lays the state down: commands may run on it.
    pub(crate) fn open(&self, state: S) {
        *self.state.lock() = Some(state);
    }

    /// Takes a turn out of line; none when commands wait, or somebody else has a turn for longer than `looks`.
    pub(crate) fn turn_out_of_line(&self, looks: usize) -> Option<Turn<'_, S>> {
        for _ in 0..looks {
            if !self.nothing_waits() {
                return None;
            }
            if let Some(turn) = self.turn() {
                return Some(turn);
            }
            hint::spin_loop();
        }
        None
    }

    /// Takes a turn; none when somebody else has one.
    pub(crate) fn turn(&self) -> Option<Turn<'_, S>> {
        let state = self.state.try_lock()?;
        Some(Turn { desk: self, state, is_whole: true })
    }

    /// Counts a command that is about to go into the queue.
    pub(crate) fn line_up(&self) -> Place<'_, S> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Place { desk: self }
    }

    fn nothing_waits(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Drops the state, now or at the end of the turn that somebody has.
    pub(crate) fn close(&self) {
        // Pairs with the load of who has a turn.
        self.over.store(true, Ordering::Release);
        if let Some(mut state) = self.state.try_lock() {
            drop(state.take());
        }
    }
}

/// A command's place in the queue, given up when it is dropped.
pub(crate) struct Place<'a, S> {
    desk: &'a Desk<S>,
}

impl<S> Place<'_, S> {
    /// The command is in the queue.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl<S> Drop for Place<'_, S> {
    fn drop(&mut self) {
        self.desk.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to run commands.
pub(crate) struct Turn<'a, S> {
    desk: &'a Desk<S>,
    state: MutexGuard<'a, Option<S>>,
    is_whole: bool,
}

impl<S> Turn<'_, S> {
    /// The state, to run commands on: none when there is none, or all is over. Dropped before [`end`](Self::end), which is
    /// what a panic does, the turn takes the state along.
    pub(crate) fn begin(&mut self) -> Option<&mut S> {
        if self.desk.over.load(Ordering::Acquire) {
            return None;
        }
        self.is_whole = self.state.is_none();
        self.state.as_mut()
    }

    /// The commands have run, so many of them from the queue.
    pub(crate) fn end(mut self, queued: usize) {
        self.is_whole = true;
        if queued > 0 {
            self.desk.waiting.fetch_sub(queued, Ordering::Relaxed);
        }
    }

    /// Takes the state away for good.
    pub(crate) fn take(mut self) -> Option<S> {
        self.state.take()
    }
}

impl<S> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if !self.is_whole || self.desk.over.load(Ordering::Acquire) {
            drop(self.state.take());
        }
    }
}
