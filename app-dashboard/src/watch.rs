//! Watches one instance while a page shows it.
//!
//! A viewer holds a [`Look`] for each topic that its page shows. While there is one, a task of the dashboard's service asks the
//! instance once a second, and puts the answers on the board. All viewers read the same board. Without a viewer the task asks
//! nothing, and disconnects after [`LINGER`].
//!
//! 1. Demand grows in `Watched::look` and shrinks when a `Look` is dropped, and nowhere else.
//! 2. A topic on the board gets a higher version with each change, and never a lower one. So a viewer sends what is newer than
//!    the version that it sent last.

mod ask;
mod board;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app_core::prelude::{Error, Service};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};

pub(crate) use self::board::{Board, Topic};
use crate::apps::{Answer, AppLink, Apps, Instance, Problem, ProblemKind, Question};

/// Interval at which an instance is asked.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Longest time for one round of questions, and to connect.
const ROUND: Duration = Duration::from_secs(5);
/// How long a connection stays without a viewer. A page that is reloaded finds it.
const LINGER: Duration = Duration::from_secs(5);
/// First and longest pause between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// One instance, and what is known of it.
pub(crate) struct Watched {
    pub(crate) instance: Instance,
    apps: Arc<dyn Apps>,
    demand: Mutex<[usize; Topic::COUNT]>,
    /// Wakes the task when there is something new to ask.
    wake: Notify,
    pub(crate) board: Mutex<Board>,
    /// The open connection, for questions of a viewer and for changes.
    link: Mutex<Option<Arc<dyn AppLink>>>,
    changed: watch::Sender<u64>,
    versions: AtomicU64,
}

/// A page shows a topic of an instance, until this is dropped.
pub(crate) struct Look {
    watched: Arc<Watched>,
    topic: Topic,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.watched.demand.lock()[self.topic as usize] -= 1;
    }
}

impl Watched {
    /// Watches an instance, in a task of the service.
    pub(crate) fn start(
        service: &Service,
        apps: Arc<dyn Apps>,
        instance: Instance,
        changed: watch::Sender<u64>,
    ) -> Result<Arc<Self>, Error> {
        let watched = Arc::new(Self {
            instance,
            apps,
            demand: Mutex::default(),
            wake: Notify::new(),
            board: Mutex::default(),
            link: Mutex::default(),
            changed,
            versions: AtomicU64::new(0),
        });
        watched.publish(|_, board, instance| board.row(instance));
        let (watching, task) = (Arc::clone(&watched), service.clone());
        service.spawn(format!("watch {}", watched.instance.key), async move {
            task.run_until_stopped(watching.run()).await;
        })?;
        Ok(watched)
    }

    /// Looks at topics.
    pub(crate) fn look(self: &Arc<Self>, topics: &[Topic]) -> Vec<Look> {
        let mut demand = self.demand.lock();
        let looks = topics.iter().map(|topic| {
            demand[*topic as usize] += 1;
            Look { watched: Arc::clone(self), topic: *topic }
        });
        let looks = looks.collect();
        drop(demand);
        self.wake.notify_one();
        looks
    }

    fn is_wanted(&self, topic: Topic) -> bool {
        self.demand.lock()[topic as usize] > 0
    }

    fn is_watched(&self) -> bool {
        self.demand.lock().iter().any(|count| *count > 0)
    }

    /// Changes the board, and tells the viewers if something is new. `change` returns the topic that is new.
    fn publish(&self, change: impl FnOnce(u64, &mut Board, &Instance) -> bool) {
        // Relaxed: the lock orders the versions.
        let mut board = self.board.lock();
        let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        board.version = version;
        let new = change(version, &mut board, &self.instance);
        drop(board);
        if new {
            self.changed.send_modify(|changes| *changes += 1);
        }
    }

    /// Asks the instance on behalf of a viewer, over the connection of the task or a new one.
    pub(crate) async fn ask(&self, question: Question, deadline: Instant) -> Answer {
        let open = self.link.lock().clone().filter(|link| link.is_connected());
        if let Some(link) = open {
            return link.ask(question, deadline).await;
        }
        let link = self.connect(deadline).await?;
        let answer = link.ask(question, deadline).await;
        link.close().await;
        answer
    }

    async fn connect(&self, deadline: Instant) -> Result<Arc<dyn AppLink>, Problem> {
        let late =
            || Problem::new(ProblemKind::NotReached, format!("{}: no answer in time", self.instance.address));
        timeout_at(deadline, self.apps.connect(&self.instance, deadline))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            if !self.is_watched() {
                // What is known is old when the next viewer comes.
                self.publish(|_, board, instance| {
                    board.asked = false;
                    board.row(instance)
                });
            }
            while !self.is_watched() {
                self.wake.notified().await;
            }
            match self.connect(Instant::now() + ROUND).await {
                Ok(link) => {
                    pause = FIRST_PAUSE;
                    self.watch_over(link).await;
                }
                Err(problem) => {
                    self.publish(|_, board, instance| board.lost(problem, instance));
                    // A new viewer wants to know at once.
                    let _ = timeout(pause, self.wake.notified()).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Asks over a connection until it is lost, or nobody looks any more.
    async fn watch_over(&self, link: Arc<dyn AppLink>) {
        *self.link.lock() = Some(Arc::clone(&link));
        let mut rounds = ask::Rounds::default();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lost = loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.wake.notified() => {}
            }
            if !self.is_watched() {
                let again = timeout(LINGER, async {
                    while !self.is_watched() {
                        self.wake.notified().await;
                    }
                });
                if again.await.is_err() {
                    break None;
                }
                ticks.reset_immediately();
                continue;
            }
            if let Err(problem) = rounds.ask(self, &*link, Instant::now() + ROUND).await {
                break Some(problem);
            }
            if !link.is_connected() {
                let gone = format!("{}: the connection was lost", self.instance.address);
                break Some(Problem::new(ProblemKind::NotReached, gone));
            }
        };
        *self.link.lock() = None;
        link.close().await;
        if let Some(problem) = lost {
            self.publish(|_, board, instance| board.lost(problem, instance));
            sleep(FIRST_PAUSE).await;
        }
    }
}
