//! One key in the bucket of the fleet: taking permits by compare-and-set, giving them back, reading, filling.

use std::time::Duration;

use app_messaging::{Bucket, BucketError, BucketFailure, Messaging};
use quota_schema::quota_capnp::shared_bucket;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};

use super::clock::{Proof, SKEW, WallClock, nanos};
use super::handle::FleetRule;
use super::shared::{Nanos, SharedRate};
use crate::messages::FLEET;

/// How long a chunk may be spent after it was asked for, on the monotonic clock of its holder: L of the bound.
pub const LIFE: Duration = Duration::from_secs(1);

/// How long an answer of the servers may take. A later one would leave too little of the life.
const ANSWER: Duration = Duration::from_millis(500);

/// How many times a compare-and-set is tried when other instances are faster.
const TRIES: u32 = 10;

/// The longest key of a bucket in plain. A longer one is hashed.
const PLAIN_BYTES: usize = app_messaging::MAX_KEY_BYTES;

pub(super) type Shared = Bucket<shared_bucket::Owned>;

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has no value, so its bucket is full.
    Absent,
    Value {
        revision: u64,
        full_at: Nanos,
        at: Nanos,
    },
}

impl Seen {
    pub(super) fn full_at(self) -> Nanos {
        match self {
            Self::Absent => Nanos::MIN,
            Self::Value { full_at, .. } => full_at,
        }
    }

    pub(super) fn revision(self) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Value { revision, .. } => Some(revision),
        }
    }

    pub(super) fn at(self) -> Nanos {
        match self {
            Self::Absent => Nanos::MIN,
            Self::Value { at, .. } => at,
        }
    }
}

/// How the attempt to lease permits ended.
#[derive(Debug)]
pub(super) enum Leased {
    /// So many permits, which may be spent until [`LIFE`] after `asked`.
    Got { permits: u32, asked: Instant, seen: Seen },
    /// The bucket holds too few. `now` is the time that says so.
    TooFew { wait: Duration, seen: Seen, now: Nanos },
    /// Other instances were faster each time.
    Contended,
    /// The clock of this instance may be more than the tolerated skew apart from the one of another.
    Skewed(String),
    /// The servers gave no answer, or refused.
    Away(String),
}

/// One key under one rule, and what is needed to change it.
#[derive(Clone)]
pub(super) struct SharedKey {
    bucket: Shared,
    clock: WallClock,
    proof: Proof,
    rate: SharedRate,
    key: String,
}

/// Opens the bucket, and proves the skew of the clock.
pub(super) async fn prepare(
    messaging: Messaging,
    clock: WallClock,
    max_age: Duration,
    instance: String,
) -> Result<(Shared, Proof), String> {
    let all = async {
        let bucket: Shared = messaging.bucket(FLEET.max_age(max_age)).await.map_err(|error| told(&error))?;
        // A key of its own for each instance. The age of the bucket removes it.
        let key = format!("clock\n{instance}");
        let before = clock.now();
        let written = bucket.put(&key, |value| value.set_at_nanos(nanos(before)));
        let revision = written.await.map_err(|error| told(&error))?;
        let (after, at) = (clock.now(), Instant::now());
        let entry = bucket.get(&key).await.map_err(|error| told(&error))?;
        let entry = entry.filter(|entry| entry.revision() == revision);
        let stamp = entry.ok_or("the value that proves the clock was replaced")?.stored_at();
        Ok((bucket, Proof::of(before, after, stamp, at)))
    };
    timeout(2 * ANSWER, all).await.unwrap_or_else(|_| Err("no answer came in time".to_owned()))
}

fn told(error: &BucketError) -> String {
    error.to_string()
}

impl SharedKey {
    pub(super) fn new(bucket: Shared, clock: WallClock, proof: Proof, rule: &FleetRule, key: &str) -> Self {
        Self { bucket, clock, proof, rate: rule.rate, key: Self::key_of(&rule.rule.name, key) }
    }

    /// The key in the bucket. A rule has no control characters, so the separator is in no rule.
    fn key_of(rule: &str, key: &str) -> String {
        let plain = format!("key\n{rule}\n{key}");
        if plain.len() <= PLAIN_BYTES {
            return plain;
        }
        // A hash that callers can't make collide, since keys come from outside.
        let hash: String =
            Sha256::digest(plain.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("hash\n{hash}")
    }

    async fn get(&self) -> Result<Seen, String> {
        let found = timeout(ANSWER, self.bucket.get(&self.key)).await;
        let found = found.map_err(|_| "no answer came in time".to_owned())?;
        let Some(entry) = found.map_err(|error| told(&error))? else { return Ok(Seen::Absent) };
        let read = entry.read(|value| Ok((value.get_full_at_nanos(), value.get_at_nanos())));
        match read.map_err(|error| error.to_string())? {
            Some((full_at, at)) => Ok(Seen::Value { revision: entry.revision(), full_at, at }),
            None => Ok(Seen::Absent),
        }
    }

    /// Sets the key if it is still what was seen. `None` when it is not.
    async fn set(&self, seen: Seen, full_at: Nanos, at: Nanos) -> Result<Option<Seen>, String> {
        let fill = |value: &mut shared_bucket::Builder<'_>| {
            value.set_full_at_nanos(full_at);
            value.set_at_nanos(at);
        };
        let put = async {
            match seen {
                Seen::Absent => self.bucket.create(&self.key, fill).await,
                Seen::Value { revision, .. } => self.bucket.update(&self.key, revision, fill).await,
            }
        };
        match timeout(ANSWER, put).await {
            Err(_) => Err("no answer came in time".to_owned()),
            Ok(Ok(revision)) => Ok(Some(Seen::Value { revision, full_at, at })),
            Ok(Err(error)) if error.failure() == BucketFailure::WrongRevision => Ok(None),
            Ok(Err(error)) => Err(told(&error)),
        }
    }

    /// Takes at least `needed` permits, and up to `wanted`. An unanswered compare-and-set counts as spent: nothing is granted from it.
    pub(super) async fn lease(self, needed: u32, wanted: u32, known: Option<Seen>) -> Leased {
        let mut known = known;
        for attempt in 0..TRIES {
            let was_known = known.is_some();
            let seen = match known.take() {
                Some(seen) => seen,
                None => match self.get().await {
                    Ok(seen) => seen,
                    Err(reason) => return Leased::Away(reason),
                },
            };
            let asked = Instant::now();
            let now = match self.clock.proven(&self.proof) {
                Ok(now) => now,
                Err(skew) => return Leased::Skewed(format!("the skew of the clock may be {skew:?}")),
            };
            if seen.at().saturating_sub(now) > nanos_of(SKEW) {
                let ahead = Duration::from_nanos(seen.at().abs_diff(now));
                return Leased::Skewed(format!("another instance is {ahead:?} ahead"));
            }
            if let Some(full_at) = self.rate.refit(seen.full_at(), now) {
                match self.set(seen, full_at, now.max(seen.at())).await {
                    Ok(refitted) => known = refitted,
                    Err(reason) => return Leased::Away(reason),
                }
                continue;
            }
            let taken = match self.rate.take(seen.full_at(), now, needed, wanted) {
                Ok(taken) => taken,
                // What was known may be old: permits may have been given back.
                Err(_) if was_known => continue,
                Err(wait) => return Leased::TooFew { wait, seen, now },
            };
            // The time never goes back, whatever the clock of another instance said.
            match self.set(seen, taken.full_at, now.max(seen.at())).await {
                Ok(Some(seen)) => return Leased::Got { permits: taken.permits, asked, seen },
                Ok(None) => sleep(Duration::from_micros(fastrand::u64(0..500) << attempt.min(6))).await,
                Err(reason) => return Leased::Away(reason),
            }
        }
        Leased::Contended
    }

    /// Gives permits back, if nothing was leased since: only then the bucket cannot get more than it had. Tried once.
    pub(super) async fn give_back(self, from: Seen, permits: u32) -> Option<Seen> {
        let full_at = self.rate.after_give_back(from.full_at(), permits);
        self.set(from, full_at, from.at()).await.ok().flatten()
    }

    /// Permits that the bucket holds.
    pub(super) async fn look(self) -> Result<u32, String> {
        let seen = self.get().await?;
        Ok(self.rate.available(seen.full_at(), nanos(self.clock.now())))
    }

    /// Makes the bucket full.
    pub(super) async fn fill(self) -> Result<(), String> {
        match timeout(ANSWER, self.bucket.delete(&self.key)).await {
            Ok(done) => done.map(drop).map_err(|error| told(&error)),
            Err(_) => Err("no answer came in time".to_owned()),
        }
    }
}

fn nanos_of(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_place_under_each_rule_and_fits_the_bucket() {
        let long = "x".repeat(1_024);
        let keys = [("a", "b"), ("a", "c"), ("b", "b"), ("a", &*long), (&*long, "a"), ("a", "b\nc")];
        let places: Vec<_> = keys.iter().map(|(rule, key)| SharedKey::key_of(rule, key)).collect();
        for (index, place) in places.iter().enumerate() {
            assert!(place.len() <= PLAIN_BYTES, "{place}");
            assert!(!places[..index].contains(place), "{place}");
        }
    }
}
