//! One account for each client certificate: the state that all connections of one client share.
//!
//! The key of an account is the SHA-256 of the part of the certificate that its authority signed. The client can change no byte of
//! that. The whole certificate is no key, because an ECDSA signature has two valid forms, and one certificate would have two
//! accounts. The serial number is no key either: a careless authority uses a number twice, and two clients would share an account.
//!
//! Invariants:
//! 1. An account is in the table while a connection of its certificate is open. A certificate never has two accounts.
//! 2. After its last connection, an account stays while its denials are still paced, for at most [`REMEMBERED`], and at most
//!    [`MAX_CLOSED`] accounts do. So a client that connects again continues at its old pace.
//! 3. Nothing waits while the table is locked. It is locked once when a connection opens, and never for a call.

mod denials;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use self::denials::Denials;
use crate::connection::Memory;

/// The longest time that an account without connections is kept.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The most accounts without connections that are kept.
const MAX_CLOSED: usize = 1024;

/// Old accounts are removed when the table has grown to twice its size after the last removal, plus this many.
const SPARE: usize = 64;

/// The accounts of a server.
pub(crate) struct Accounts {
    table: Mutex<Table>,
    /// The memory of all clients together.
    memory: Memory,
    /// The part of the memory for all clients without a grant together.
    readers: Memory,
}

struct Table {
    accounts: HashMap<[u8; 32], Arc<Account>>,
    /// The number of accounts at which old ones are removed.
    clean_up_at: usize,
}

/// The state that all connections of one certificate share.
pub(crate) struct Account {
    connections: AtomicUsize,
    /// The memory of its connections together. Each new connection sets the limit.
    memory: Memory,
    denials: Mutex<Denials>,
    /// When its last connection ended. Before that, when the account was made.
    closed: Mutex<Instant>,
}

/// A counted connection of a certificate, until this is dropped.
pub(crate) struct AccountSlot(Arc<Account>);

/// The certificate has its limit of connections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Accounts {
    /// No accounts yet. All clients together have this much memory, and `kept` bytes of it are for clients with a grant.
    pub(crate) fn new(memory_bytes: usize, kept: usize) -> Self {
        let table = Table { accounts: HashMap::new(), clean_up_at: SPARE };
        let memory = Memory::new(memory_bytes);
        let readers = memory.part(memory_bytes - kept);
        Self { table: Mutex::new(table), memory, readers }
    }

    /// Changes the memory of all clients together.
    pub(crate) fn set_memory(&self, memory_bytes: usize, kept: usize) {
        self.memory.set_limit(memory_bytes);
        self.readers.set_limit(memory_bytes - kept);
    }

    /// The memory of the clients with a grant, or of those without one.
    pub(crate) fn memory_of(&self, is_granted: bool) -> &Memory {
        if is_granted { &self.memory } else { &self.readers }
    }

    /// Counts a connection of the certificate with this identity, if it has fewer than `limit`. An account that exists already keeps
    /// its memory, even if the grants have changed since.
    ///
    /// # Errors
    /// The certificate has `limit` connections already.
    pub(crate) fn enter(
        &self,
        identity: [u8; 32],
        limit: usize,
        is_granted: bool,
    ) -> Result<AccountSlot, Full> {
        let mut table = self.table.lock();
        let now = Instant::now();
        if table.accounts.len() >= table.clean_up_at {
            table.clean_up(now);
        }
        let new = || Account::new(now, self.memory_of(is_granted).part(0));
        let account = table.accounts.entry(identity).or_insert_with(new);
        // The number only grows under the lock, so it is still below the limit here.
        if account.connections() >= limit {
            return Err(Full);
        }
        account.connections.fetch_add(1, Ordering::Relaxed);
        Ok(AccountSlot(Arc::clone(account)))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.lock().accounts.len()
    }
}

impl Table {
    /// Removes accounts without connections: those that are not needed any more, and the oldest beyond [`MAX_CLOSED`].
    fn clean_up(&mut self, now: Instant) {
        self.accounts.retain(|_, account| account.is_open() || account.is_remembered(now));
        let mut closed: Vec<_> = self.accounts.iter().filter(|(_, account)| !account.is_open()).collect();
        if let Some(excess) = closed.len().checked_sub(MAX_CLOSED).filter(|excess| *excess > 0) {
            closed.sort_by_key(|(_, account)| *account.closed.lock());
            let first: Vec<_> = closed.into_iter().take(excess).map(|(identity, _)| *identity).collect();
            for identity in first {
                self.accounts.remove(&identity);
            }
        }
        self.clean_up_at = self.accounts.len() * 2 + SPARE;
    }
}

impl Account {
    fn new(now: Instant, memory: Memory) -> Arc<Self> {
        Arc::new(Self {
            connections: AtomicUsize::new(0),
            memory,
            denials: Mutex::default(),
            closed: Mutex::new(now),
        })
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The memory of its connections together.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Counts a denied call, and returns when to answer it. All connections of the certificate share one pace.
    pub(crate) fn next_denial(&self, now: Instant) -> Instant {
        self.denials.lock().next(now)
    }

    fn is_open(&self) -> bool {
        self.connections() > 0
    }

    fn is_remembered(&self, now: Instant) -> bool {
        self.denials.lock().are_paced(now) && *self.closed.lock() + REMEMBERED > now
    }
}

impl AccountSlot {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.0
    }
}

impl Drop for AccountSlot {
    fn drop(&mut self) {
        *self.0.closed.lock() = Instant::now();
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `Peer` is public and shows its fields, but the account is internal.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests;
