//! Buckets: typed values by key, with revisions, shared by the instances of a domain.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use app_core::prelude::{Error, ServiceId};
use app_ids::BucketId;
use bytes::Bytes;
use capnp::message::Builder;
use capnp::traits::Owned;
use tokio::time::timeout;

use crate::context::Context;
use crate::errors::{BUCKET_FAILED, MESSAGE_MALFORMED};
use crate::place::{NO_SERVER, Place};
use crate::provision::{self, ProvisionError};
use crate::transport::{BucketConfig, Call, Expected, RawEntry, TransportError, Watch};
use crate::wire::{Payload, bucket_name, hex_of, pack, text_of};

/// The most bytes of a key.
pub const MAX_KEY_BYTES: usize = 256;

/// The most revisions of a key that are kept.
const MAX_HISTORY: usize = 64;

/// A bucket, as the service that owns it declares it.
///
/// ```
/// use app_core::prelude::*;
/// use app_messaging::{BucketId, BucketSpec, Messaging};
/// use quota_schema::quota_capnp::quota_rule;
///
/// const SHOP: ServiceId = ServiceId::new(0x8c41_992a_1487_1b30);
/// ids! {
///     /// The rules in effect.
///     RULES_ID: BucketId = 0x91d6_02f3_7ab4_5c18, "rules";
/// }
/// const RULES: BucketSpec = BucketSpec::new(RULES_ID, SHOP, "rules");
///
/// async fn raise(messaging: &Messaging) -> Result<u64, Error> {
///     let rules = messaging.bucket::<quota_rule::Owned>(RULES).await?;
///     match rules.get("default").await? {
///         // Fails if someone else was faster.
///         Some(entry) => Ok(rules.update("default", entry.revision(), |rule| rule.set_max_keys(7)).await?),
///         None => Ok(rules.create("default", |rule| rule.set_max_keys(7)).await?),
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketSpec {
    id: BucketId,
    of: ServiceId,
    name: &'static str,
    history: usize,
    max_age: Duration,
}

impl BucketSpec {
    /// A bucket that keeps the last value of each key.
    #[must_use]
    pub const fn new(id: BucketId, of: ServiceId, name: &'static str) -> Self {
        Self { id, of, name, history: 1, max_age: Duration::ZERO }
    }

    /// How many revisions of a key are kept, 1 to 64.
    #[must_use]
    pub const fn history(mut self, revisions: usize) -> Self {
        self.history = match revisions {
            0 => 1,
            more if more > MAX_HISTORY => MAX_HISTORY,
            within => within,
        };
        self
    }

    /// How long a value is kept after it was set. Then its key is as one that never was; a watch does not tell of it. The clock is that
    /// of the servers. Zero, the default, means without limit. A bucket that has a longer age keeps it.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    pub(crate) const fn id(&self) -> BucketId {
        self.id
    }
}

/// What is known about a call of a bucket that failed. These are all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BucketFailure {
    /// It did not leave the process. It is safe to try again.
    NotSent,
    /// No answer came. A change may have been made: read the key to find out.
    MaybeDone,
    /// The key has another revision, or exists already.
    WrongRevision,
    /// The server refused it, or the key or the value is not allowed.
    Refused,
    /// The value is not what its schema says.
    Malformed,
}

/// A call of a bucket that failed. It converts into an [`Error`], so `?` works in a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketError {
    failure: BucketFailure,
    of: ServiceId,
    bucket: &'static str,
    reason: String,
}

impl BucketError {
    /// What is known about the call.
    #[must_use]
    pub fn failure(&self) -> BucketFailure {
        self.failure
    }

    /// Why it failed.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bucket {}: {}", self.bucket, self.reason)
    }
}

impl std::error::Error for BucketError {}

impl From<BucketError> for Error {
    #[track_caller]
    fn from(failed: BucketError) -> Self {
        BUCKET_FAILED.error(failed.of).message(failed.to_string()).build()
    }
}

/// A bucket of values of the struct `S`. Cheap to clone.
pub struct Bucket<S> {
    context: Arc<Context>,
    spec: BucketSpec,
    name: Arc<str>,
    of: PhantomData<fn() -> S>,
}

impl<S: Owned + 'static> Bucket<S> {
    pub(crate) async fn open(context: Arc<Context>, spec: BucketSpec) -> Result<Self, BucketError> {
        let name: Arc<str> = bucket_name(context.identity.domain, spec.id()).into();
        let bucket = Self { context, spec, name, of: PhantomData };
        if bucket.context.place == Place::NoServer {
            return Err(bucket.failed(BucketFailure::NotSent, NO_SERVER));
        }
        let config = BucketConfig {
            name: bucket.name.to_string(),
            history: spec.history,
            max_value_bytes: bucket.context.limits.packed_bytes(),
            max_age: spec.max_age,
            max_bytes: 0,
        };
        let context = &bucket.context;
        let provided = provision::bucket(&*context.transport, &config, context.streams.provisioning());
        match timeout(context.send_timeout, provided).await {
            Ok(Ok(())) => Ok(bucket),
            Ok(Err(ProvisionError::Transport(error))) => Err(bucket.of_transport(&error)),
            Ok(Err(differs)) => Err(bucket.failed(BucketFailure::Refused, differs.to_string())),
            Err(_) => Err(bucket.of_transport(&TransportError::NoAnswer)),
        }
    }

    /// The last value of a key. `None` for a key that never was, or was deleted.
    ///
    /// # Errors
    /// See [`BucketFailure`].
    pub async fn get(&self, key: &str) -> Result<Option<Entry<S>>, BucketError> {
        let key = self.key(key)?;
        let entry = self.call(self.context.transport.bucket_get(&self.name, &key)).await?;
        let entry = entry.map(|entry| self.entry(entry)).transpose()?;
        Ok(entry.filter(|entry| entry.value.is_some()))
    }

    /// Sets a key, whatever it was before. Returns the new revision.
    ///
    /// # Errors
    /// See [`BucketFailure`].
    pub async fn put(&self, key: &str, fill: impl FnOnce(&mut S::Builder<'_>)) -> Result<u64, BucketError> {
        let value = self.value(fill);
        self.change(key, value.map(Some), Expected::Any).await
    }

    /// Sets a key that never was, or was deleted. Returns its revision.
    ///
    /// # Errors
    /// [`BucketFailure::WrongRevision`] when the key exists; see [`BucketFailure`].
    pub async fn create(
        &self,
        key: &str,
        fill: impl FnOnce(&mut S::Builder<'_>),
    ) -> Result<u64, BucketError> {
        let value = self.value(fill);
        self.change(key, value.map(Some), Expected::Absent).await
    }

    /// Sets a key that has this revision. Returns its new revision.
    ///
    /// # Errors
    /// [`BucketFailure::WrongRevision`] when the key has another revision; see [`BucketFailure`].
    pub async fn update(
        &self,
        key: &str,
        revision: u64,
        fill: impl FnOnce(&mut S::Builder<'_>),
    ) -> Result<u64, BucketError> {
        let value = self.value(fill);
        self.change(key, value.map(Some), Expected::Revision(revision)).await
    }

    /// Deletes a key, whatever it was before. Its history stays. Returns the revision of the deletion.
    ///
    /// # Errors
    /// See [`BucketFailure`].
    pub async fn delete(&self, key: &str) -> Result<u64, BucketError> {
        self.change(key, Ok(None), Expected::Any).await
    }

    /// Deletes a key that has this revision. Returns the revision of the deletion.
    ///
    /// # Errors
    /// [`BucketFailure::WrongRevision`] when the key has another revision; see [`BucketFailure`].
    pub async fn delete_revision(&self, key: &str, revision: u64) -> Result<u64, BucketError> {
        self.change(key, Ok(None), Expected::Revision(revision)).await
    }

    /// The kept revisions of a key, oldest first.
    ///
    /// # Errors
    /// See [`BucketFailure`].
    pub async fn history(&self, key: &str) -> Result<Vec<Entry<S>>, BucketError> {
        let key = self.key(key)?;
        let all = self.call(self.context.transport.bucket_history(&self.name, &key)).await?;
        all.into_iter().map(|entry| self.entry(entry)).collect()
    }

    /// The value of every key, then every change. A watcher that is too slow misses changes in between, and never the last one.
    ///
    /// # Errors
    /// See [`BucketFailure`].
    pub async fn watch(&self) -> Result<BucketWatch<S>, BucketError> {
        let watch = self.call(self.context.transport.bucket_watch(&self.name, None)).await?;
        Ok(BucketWatch { bucket: self.clone(), watch })
    }

    /// As [`watch`](Self::watch), for one key.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub async fn watch_key(&self, key: &str) -> Result<BucketWatch<S>, BucketError> {
        let key = self.key(key)?;
        let watch = self.call(self.context.transport.bucket_watch(&self.name, Some(&key))).await?;
        Ok(BucketWatch { bucket: self.clone(), watch })
    }

    async fn change(
        &self,
        key: &str,
        value: Result<Option<Bytes>, BucketError>,
        expected: Expected,
    ) -> Result<u64, BucketError> {
        let (key, value) = (self.key(key)?, value?);
        let within = self.context.send_timeout;
        self.call(self.context.transport.bucket_put(&self.name, &key, value, expected, within)).await
    }

    async fn call<T>(&self, call: Call<'_, T>) -> Result<T, BucketError> {
        // The transport keeps the time too. This one holds if it does not.
        let within = self.context.send_timeout + Duration::from_millis(100);
        let answer = timeout(within, call).await.unwrap_or(Err(TransportError::NoAnswer));
        answer.map_err(|error| self.of_transport(&error))
    }

    fn of_transport(&self, error: &TransportError) -> BucketError {
        let failure = match error {
            TransportError::NotConnected => BucketFailure::NotSent,
            TransportError::NoAnswer => BucketFailure::MaybeDone,
            TransportError::WrongRevision => BucketFailure::WrongRevision,
            _ => BucketFailure::Refused,
        };
        self.failed(failure, error.to_string())
    }

    fn failed(&self, failure: BucketFailure, reason: impl Into<String>) -> BucketError {
        BucketError { failure, of: self.spec.of, bucket: self.spec.name, reason: reason.into() }
    }

    fn value(&self, fill: impl FnOnce(&mut S::Builder<'_>)) -> Result<Bytes, BucketError> {
        let mut message = Builder::new_default();
        fill(&mut message.init_root::<S::Builder<'_>>());
        pack(&message, self.context.limits)
            .map_err(|error| self.failed(BucketFailure::Refused, error.to_string()))
    }

    /// The key in the bucket: the hex of its bytes, since a subject can't have every character.
    fn key(&self, key: &str) -> Result<String, BucketError> {
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) {
            let wrong =
                format!("a key has 1 to {MAX_KEY_BYTES} bytes, this one has {}; choose another", key.len());
            return Err(self.failed(BucketFailure::Refused, wrong));
        }
        Ok(hex_of(key))
    }

    fn entry(&self, raw: RawEntry) -> Result<Entry<S>, BucketError> {
        let malformed = |why: String| self.failed(BucketFailure::Malformed, why);
        let key =
            text_of(&raw.key).ok_or_else(|| malformed(format!("the key {} is no hex of a text", raw.key)))?;
        let value = raw.value.map(|value| Payload::decode(&value, self.context.limits)).transpose();
        let value = value.map_err(|error| malformed(format!("the value of key {key:?}: {error}")))?;
        Ok(Entry { key, revision: raw.revision, stored_at: raw.stored_at, value, bucket: self.spec })
    }
}

/// A value of a bucket, or the deletion of one.
pub struct Entry<S> {
    key: String,
    revision: u64,
    stored_at: SystemTime,
    value: Option<Payload<S>>,
    bucket: BucketSpec,
}

impl<S: Owned> Entry<S> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The revision. It rises with every change of the bucket.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When it was stored, by the clock of the server.
    #[must_use]
    pub fn stored_at(&self) -> SystemTime {
        self.stored_at
    }

    /// Whether the key was deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.value.is_none()
    }

    /// Reads the value. They have to be copied out: what the reader borrows ends with the function. `None` for a deletion.
    ///
    /// # Errors
    /// [`MESSAGE_MALFORMED`](crate::errors::MESSAGE_MALFORMED), when the function returns an error.
    pub fn read<R>(&self, read: impl FnOnce(S::Reader<'_>) -> capnp::Result<R>) -> Result<Option<R>, Error> {
        let Some(value) = &self.value else { return Ok(None) };
        let value = value.read().and_then(|reader| read(reader.get()?)).map(Some);
        value.map_err(|error| {
            let message = format!(
                "bucket {}: the value of key {:?} can't be read: {error}",
                self.bucket.name, self.key
            );
            MESSAGE_MALFORMED.error(self.bucket.of).message(message).build()
        })
    }
}

impl<S> fmt::Debug for Entry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// The changes of a bucket.
pub struct BucketWatch<S> {
    bucket: Bucket<S>,
    watch: Box<dyn Watch>,
}

impl<S: Owned + 'static> BucketWatch<S> {
    /// The next change. Waits for it. Cancel safe.
    ///
    /// # Errors
    /// The watch ended, and a new one is needed; or see [`BucketFailure`].
    pub async fn next(&mut self) -> Result<Entry<S>, BucketError> {
        match self.watch.next().await {
            Ok(Some(raw)) => self.bucket.entry(raw),
            Ok(None) => Err(self.bucket.failed(BucketFailure::NotSent, "the watch ended; open a new one")),
            Err(error) => Err(self.bucket.failed(BucketFailure::NotSent, error.to_string())),
        }
    }
}

impl<S> Clone for Bucket<S> {
    fn clone(&self) -> Self {
        let (context, name) = (Arc::clone(&self.context), Arc::clone(&self.name));
        Self { context, spec: self.spec, name, of: PhantomData }
    }
}

impl<S> fmt::Debug for Bucket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for BucketWatch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketWatch").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
