//! What a pull brings. While one message waits to begin, those behind it arrive too. Their ack waits run, so signs of life are sent
//! for them.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::running::Ended;
use super::work::Life;
use crate::transport::{Delivered, Pull, Transport, TransportError};

/// A delivery that has not begun.
pub(super) struct Buffered {
    pub(super) delivered: Delivered,
    /// Its ack wait runs since it arrived.
    pub(super) life: Life,
}

/// A pull, and what has arrived of it. There are no more than were asked for.
pub(super) struct Intake {
    pull: Box<dyn Pull>,
    ack_wait: Duration,
    arrived: VecDeque<Buffered>,
    /// Why nothing more comes.
    over: Option<Ended>,
}

impl Intake {
    pub(super) fn new(pull: Box<dyn Pull>, ack_wait: Duration) -> Self {
        Self { pull, ack_wait, arrived: VecDeque::new(), over: None }
    }

    /// The next delivery, or why there is none. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Buffered, Ended> {
        loop {
            if let Some(arrived) = self.arrived.pop_front() {
                return Ok(arrived);
            }
            if let Some(over) = self.over.take() {
                return Err(over);
            }
            let next = self.pull.next().await;
            self.take(next);
        }
    }

    fn take(&mut self, next: Result<Option<Delivered>, TransportError>) {
        match next {
            Ok(Some(delivered)) => {
                self.arrived.push_back(Buffered { delivered, life: Life::begins(self.ack_wait) });
            }
            Ok(None) => self.over = Some(Ended::Over),
            Err(error) => self.over = Some(Ended::Failed(error.into())),
        }
    }

    /// Waits for something while the rest arrives, and sends signs of life for what has arrived.
    pub(super) async fn meanwhile<T>(
        &mut self,
        wait: impl Future<Output = T>,
        transport: &dyn Transport,
    ) -> T {
        tokio::pin!(wait);
        // Most messages begin at once.
        if let Some(done) = wait.as_mut().now_or_never() {
            return done;
        }
        loop {
            let Self { pull, arrived, over, .. } = self;
            let next = tokio::select! {
                biased;
                done = &mut wait => return done,
                next = pull.next(), if over.is_none() => next,
                () = signs(arrived, transport) => continue,
            };
            self.take(next);
        }
    }

    /// What has arrived and did not begin, and the pull, which may bring more.
    pub(super) fn into_rest(self) -> (VecDeque<Buffered>, Box<dyn Pull>) {
        (self.arrived, self.pull)
    }
}

/// Sends the signs of life that are due next.
async fn signs(arrived: &VecDeque<Buffered>, transport: &dyn Transport) {
    let Some(next) = arrived.iter().map(|arrived| arrived.life.next()).min() else {
        return std::future::pending().await;
    };
    sleep_until(next).await;
    let now = Instant::now();
    let mut due = Vec::new();
    for Buffered { delivered, life } in arrived.iter().filter(|arrived| arrived.life.next() <= now) {
        due.push(life.sign(transport, &delivered.token));
    }
    join_all(due).await;
}
