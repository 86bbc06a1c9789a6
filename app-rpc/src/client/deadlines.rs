//! The deadlines of calls, with one timer for all of them.
//!
//! Nearly every call ends long before its deadline, and a timer for each would cost more than the rest of it: tokio wakes its driver,
//! by a call of the system, whenever a timer comes before all others, which that of an only call does.
//!
//! The timer is set for the earliest deadline there was. When it goes off, it is set for the earliest there is. So it is set again
//! seldom: for a deadline that comes before what it is set for, and when it has gone off.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Deadlines that are waited for.
#[derive(Default)]
pub(super) struct Deadlines {
    state: Mutex<State>,
    /// A deadline comes before what the timer is set for.
    sooner: Notify,
}

#[derive(Default)]
struct State {
    /// Who waits for which. The number tells those apart that have the same.
    waiting: BTreeMap<(Instant, u64), Waker>,
    number: u64,
    /// What the timer is set for.
    set_for: Option<Instant>,
    /// All are over: nobody keeps the time any more.
    closed: bool,
}

/// Is done at a deadline. Cancel safe.
pub(super) struct Until {
    deadlines: Arc<Deadlines>,
    at: Instant,
    /// Its number, once it is waited for.
    number: Option<u64>,
}

impl Deadlines {
    pub(super) fn until(self: &Arc<Self>, at: Instant) -> Until {
        Until { deadlines: Arc::clone(self), at, number: None }
    }

    /// Keeps the time for those who wait, until it is dropped.
    pub(super) async fn keep(&self) {
        loop {
            match self.next() {
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.sooner.notified() => {}
                },
                None => self.sooner.notified().await,
            }
        }
    }

    /// Wakes those whose deadline is over, and says which comes next.
    fn next(&self) -> Option<Instant> {
        let (over, next) = {
            let mut state = self.state.lock();
            let later = state.waiting.split_off(&(Instant::now(), u64::MAX));
            let over = std::mem::replace(&mut state.waiting, later);
            state.set_for = state.waiting.first_key_value().map(|((at, _), _)| *at);
            (over, state.set_for)
        };
        over.into_values().for_each(Waker::wake);
        next
    }

    /// All deadlines are over, those to come too.
    pub(super) fn close(&self) {
        let over = {
            let mut state = self.state.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        over.into_values().for_each(Waker::wake);
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.deadlines.state.lock();
        if state.closed {
            return Poll::Ready(());
        }
        let Some(number) = this.number else {
            state.number += 1;
            let number = state.number;
            state.waiting.insert((this.at, number), context.waker().clone());
            this.number = Some(number);
            let sooner = state.set_for.is_none_or(|set_for| this.at < set_for);
            if sooner {
                state.set_for = Some(this.at);
            }
            drop(state);
            if sooner {
                this.deadlines.sooner.notify_one();
            }
            return Poll::Pending;
        };
        match state.waiting.get_mut(&(this.at, number)) {
            Some(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.deadlines.state.lock().waiting.remove(&(self.at, number));
        }
    }
}

#[cfg(test)]
mod tests;
