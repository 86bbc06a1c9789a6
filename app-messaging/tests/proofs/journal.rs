//! What handlers did: a file of each process, with a line for each step. What was written stays when the process is killed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The journal of one process.
#[derive(Debug)]
pub(crate) struct Pen(File);

/// A step of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// `begin`, `done` or `cancelled`.
    pub(crate) what: String,
    pub(crate) message: String,
    /// Since 1970, by the clock of this machine.
    pub(crate) at: Duration,
    /// How long before this the message was sent.
    pub(crate) age: Duration,
    pub(crate) sequence: u64,
    pub(crate) id: String,
}

/// The journals of all processes.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    read: BTreeMap<PathBuf, u64>,
    pub(crate) steps: Vec<Step>,
}

/// The time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Pen {
    pub(crate) fn of_this_process(folder: &Path) -> Self {
        let path = folder.join(std::process::id().to_string());
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    /// Writes a line at once, so that a line is whole or missing.
    pub(crate) fn note(&self, what: &str, message: &str, age: Duration, sequence: u64, id: &str) {
        let line = format!("{what} {message} {} {} {sequence} {id}\n", now().as_millis(), age.as_millis());
        (&self.0).write_all(line.as_bytes()).unwrap();
    }
}

impl Journal {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: BTreeMap::new(), steps: Vec::new() }
    }

    /// Reads what was written since the last time.
    pub(crate) fn look(&mut self) {
        for entry in fs::read_dir(&self.folder).unwrap().flatten() {
            let begin = self.read.entry(entry.path()).or_default();
            let mut file = File::open(entry.path()).unwrap();
            file.seek(SeekFrom::Start(*begin)).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            let whole = text.rfind('\n').map_or(0, |last| last + 1);
            *begin += whole as u64;
            self.steps.extend(text[..whole].lines().filter_map(step));
        }
    }

    /// The steps of this kind.
    pub(crate) fn all(&self, what: &str) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.what == what)
    }
}

fn step(line: &str) -> Option<Step> {
    let mut words = line.split(' ');
    let mut word = || words.next().map(str::to_owned);
    let (what, message) = (word()?, word()?);
    let mut number = || word()?.parse::<u64>().ok();
    let (at, age, sequence) = (number()?, number()?, number()?);
    Some(Step {
        what,
        message,
        at: Duration::from_millis(at),
        age: Duration::from_millis(age),
        sequence,
        id: word()?,
    })
}
