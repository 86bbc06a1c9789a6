//! Runs the sources of a scrape, each bounded in time.
//!
//! Invariants:
//! 1. A source runs on one thread at a time, and never on the caller's.
//! 2. A source that is late is left to its thread, which ends with it. At most [`MAX_LATE`] threads are late; then no
//!    source is asked.
//! 3. [`Sources::collect`] returns after little more than [`IN_ALL`], whatever the sources do.

use super::intake::Intake;
use super::labels::ConstantText;
use super::meters::{Drops, IncludedMeters, Reason, say};
use super::model::ForeignFamily;
use super::source::{Encoder, Included, Source};
use app_core::panics::catch_panic;
use app_core::prelude::*;
use app_core::threads::spawn_thread;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// What one source may take.
pub(super) const PER_SOURCE: Duration = Duration::from_secs(1);

/// What all sources of a scrape may take.
pub(super) const IN_ALL: Duration = Duration::from_secs(4);

/// Threads that late sources may hold.
const MAX_LATE: usize = 8;

/// What the log says at most: sources that come and go may have new names each time.
const MAX_SAID: usize = 1_000;

/// The sources of an application.
pub(crate) struct Sources {
    max_series: usize,
    next: AtomicU64,
    list: Mutex<BTreeMap<u64, Arc<SourceEntry>>>,
    /// Held by the scrape that asks the sources.
    turn: Mutex<()>,
    late: Arc<AtomicUsize>,
    /// What the log has said, by source and reason.
    said: Mutex<HashSet<(String, Reason)>>,
    meters: IncludedMeters,
}

/// A source.
struct SourceEntry {
    /// Who included it, for the log.
    name: String,
    constant: ConstantText,
    encoder: Encoder,
    busy: AtomicBool,
}

/// What a source said.
struct SourceAnswer {
    families: Vec<ForeignFamily>,
    drops: Drops,
}

impl Sources {
    pub(crate) fn new(max_series: usize, meters: IncludedMeters) -> Arc<Self> {
        Arc::new(Self {
            max_series,
            next: AtomicU64::new(0),
            list: Mutex::default(),
            turn: Mutex::default(),
            late: Arc::default(),
            said: Mutex::default(),
            meters,
        })
    }

    /// Includes a source. Its samples carry these constant labels.
    pub(crate) fn include<K>(
        self: &Arc<Self>,
        name: String,
        constant: ConstantText,
        source: impl Source<K>,
    ) -> Included {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let entry = SourceEntry { name, constant, encoder: source.encoder(), busy: AtomicBool::new(false) };
        self.list.lock().insert(id, Arc::new(entry));
        Included { id, sources: Arc::downgrade(self) }
    }

    pub(super) fn remove(&self, id: u64) {
        let removed = self.list.lock().remove(&id);
        // Its code may run here, so not under the lock.
        drop(removed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.lock().is_empty()
    }

    /// The families of every source, each with the name of its source, in the order of inclusion. Blocks for at most
    /// [`IN_ALL`], twice that while another scrape asks.
    pub(crate) fn collect(&self, log: &Logger) -> Vec<(String, Vec<ForeignFamily>)> {
        let entries: Vec<Arc<SourceEntry>> = self.list.lock().values().cloned().collect();
        let mut collected = Vec::new();
        let Some(_turn) = self.turn.try_lock_for(IN_ALL) else {
            self.left_out(log, "every source", Reason::Blocked, "another scrape is asking");
            return collected;
        };
        let deadline = Instant::now() + IN_ALL;
        let mut waiting = entries.as_slice();
        while !waiting.is_empty() {
            if self.late.load(Ordering::Relaxed) >= MAX_LATE || Instant::now() >= deadline {
                for entry in waiting {
                    self.left_out(log, &entry.name, Reason::Blocked, "all of it");
                }
                break;
            }
            let asked = self.ask(waiting, deadline, log, &mut collected);
            waiting = waiting.get(asked..).unwrap_or_default();
        }
        collected
    }

    /// Asks the sources on a thread, one after another, until all have answered or one is late. Returns how many were
    /// asked.
    fn ask(
        &self,
        entries: &[Arc<SourceEntry>],
        deadline: Instant,
        log: &Logger,
        collected: &mut Vec<(String, Vec<ForeignFamily>)>,
    ) -> usize {
        let (answers, received) = sync_channel(1);
        let abandoned = Arc::new(AtomicBool::new(false));
        let work = SourceWork {
            entries: entries.to_vec(),
            max_series: self.max_series,
            abandoned: Arc::clone(&abandoned),
            late: Arc::clone(&self.late),
            answers,
        };
        if let Err(error) = spawn_thread("metrics-sources", move || work.run()) {
            self.left_out(log, "every source", Reason::Failed, &error.to_string());
            return entries.len();
        }
        for (index, entry) in entries.iter().enumerate() {
            let patience = PER_SOURCE.min(deadline.saturating_duration_since(Instant::now()));
            match received.recv_timeout(patience) {
                Ok(SourceAnswer { families, drops }) => {
                    self.dropped(log, &entry.name, &drops);
                    if !families.is_empty() {
                        collected.push((entry.name.clone(), families));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    abandoned.store(true, Ordering::Relaxed);
                    self.left_out(log, &entry.name, Reason::Blocked, "all of it");
                    return index + 1;
                }
                // The thread answers for each source, unless it was killed by a panic while it dropped one.
                Err(RecvTimeoutError::Disconnected) => {
                    self.left_out(log, &entry.name, Reason::Failed, "all of it");
                    return index + 1;
                }
            }
        }
        entries.len()
    }

    /// The sources could not be asked.
    pub(crate) fn failed(&self, log: &Logger, why: &str) {
        self.left_out(log, "every source", Reason::Failed, why);
    }

    /// Counts what was left out of a source, and says it once for each reason.
    pub(crate) fn dropped(&self, log: &Logger, source: &str, drops: &Drops) {
        for (reason, times, metric) in drops.iter() {
            self.meters.count(reason, times);
            self.say_once(log, source, reason, metric);
        }
    }

    fn left_out(&self, log: &Logger, source: &str, reason: Reason, metric: &str) {
        self.meters.count(reason, 1);
        self.say_once(log, source, reason, metric);
    }

    fn say_once(&self, log: &Logger, source: &str, reason: Reason, metric: &str) {
        let mut said = self.said.lock();
        if said.len() < MAX_SAID && said.insert((source.to_owned(), reason)) {
            drop(said);
            say(log, source, reason, metric);
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("sources", &self.list.lock().len()).finish_non_exhaustive()
    }
}

/// What a thread has to ask.
struct SourceWork {
    entries: Vec<Arc<SourceEntry>>,
    max_series: usize,
    abandoned: Arc<AtomicBool>,
    late: Arc<AtomicUsize>,
    answers: SyncSender<SourceAnswer>,
}

impl SourceWork {
    fn run(self) {
        for entry in &self.entries {
            if entry.busy.swap(true, Ordering::AcqRel) {
                // It has not returned from an earlier scrape.
                let mut drops = Drops::default();
                drops.add(Reason::Blocked, "all of it");
                if self.answers.send(SourceAnswer { families: Vec::new(), drops }).is_err() {
                    return;
                }
                continue;
            }
            // Counted while it may be late, so that a scrape never starts too many threads.
            self.late.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer(entry);
            self.late.fetch_sub(1, Ordering::Relaxed);
            entry.busy.store(false, Ordering::Release);
            if self.answers.send(answer).is_err() || self.abandoned.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn answer(&self, entry: &SourceEntry) -> SourceAnswer {
        let mut intake = Intake::new(&self.abandoned, Arc::clone(&entry.constant), self.max_series);
        let encoded = catch_panic(|| (entry.encoder.0)(&mut intake));
        let mut failed = Drops::default();
        match encoded {
            Ok(Ok(())) => {
                let (families, drops) = intake.finish();
                return SourceAnswer { families, drops };
            }
            Ok(Err(fmt::Error)) => failed.add(Reason::Failed, "all of it"),
            Err(panicked) => failed.add(Reason::Panicked, &panicked.place),
        }
        SourceAnswer { families: Vec::new(), drops: failed }
    }
}
