//! One account for each client certificate: what all connections of one client have in common.
//!
//! A certificate is known by the SHA-256 of what its authority signed. The client can change no byte of that. The whole certificate
//! would not do: an ECDSA signature has two valid forms, and one certificate would have two accounts. Nor would the serial number:
//! careless authorities give the same number twice, and one client could then use up what belongs to another.
//!
//! Invariants:
//! 1. An account is in the book while a connection of its certificate is open. There is never a second account of the certificate.
//! 2. After its last connection, an account stays for as long as denials are still paced, at most [`REMEMBERED`] and at most
//!    [`MOST_CLOSED`] of them. A client that connects again continues at the pace that it left.
//! 3. Nothing waits while the book is locked. The book is locked once when a connection opens, and never for a call.

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

/// How long an account without connections is kept at most.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many accounts without connections are kept at most.
const MOST_CLOSED: usize = 1024;

/// Accounts are looked through for those to forget when there are this many more than twice those that were kept the last time.
const SPARE: usize = 64;

/// The accounts of a server.
pub(crate) struct Accounts {
    book: Mutex<Book>,
    /// What all clients may take together.
    memory: Memory,
    /// The part of it that clients without a grant may take together.
    readers: Memory,
}

struct Book {
    accounts: HashMap<[u8; 32], Arc<Account>>,
    /// With how many accounts it is looked through next.
    look_through_at: usize,
}

/// What the connections of one certificate have in common.
pub(crate) struct Account {
    connections: AtomicUsize,
    /// What its connections may take together. The limit is set when one opens.
    memory: Memory,
    denials: Mutex<Denials>,
    /// When its last connection ended; until then, when it was made.
    closed: Mutex<Instant>,
}

/// A place among the connections of a certificate, until this is dropped.
pub(crate) struct Seat(Arc<Account>);

/// As many connections of the certificate are open as may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Accounts {
    /// Accounts of clients that may take so many bytes of memory together. `kept` of them are kept for clients with a grant.
    pub(crate) fn new(memory_bytes: usize, kept: usize) -> Self {
        let book = Book { accounts: HashMap::new(), look_through_at: SPARE };
        let memory = Memory::new(memory_bytes);
        let readers = memory.part(memory_bytes - kept);
        Self { book: Mutex::new(book), memory, readers }
    }

    /// Changes the memory that clients may take together.
    pub(crate) fn set_memory(&self, memory_bytes: usize, kept: usize) {
        self.memory.set_limit(memory_bytes);
        self.readers.set_limit(memory_bytes - kept);
    }

    /// What clients with a grant may take together, or those without one.
    pub(crate) fn memory_of(&self, is_granted: bool) -> &Memory {
        if is_granted { &self.memory } else { &self.readers }
    }

    /// Takes a place among the connections of the certificate with this identity, unless there are so many already. An account that
    /// is there already keeps its memory, whatever was granted since.
    ///
    /// # Errors
    /// There are.
    pub(crate) fn enter(&self, identity: [u8; 32], most: usize, is_granted: bool) -> Result<Seat, Full> {
        let mut book = self.book.lock();
        let now = Instant::now();
        if book.accounts.len() >= book.look_through_at {
            book.forget(now);
        }
        let new = || Account::new(now, self.memory_of(is_granted).part(0));
        let account = book.accounts.entry(identity).or_insert_with(new);
        // Places are taken under the lock alone, so nobody else takes this one.
        if account.connections() >= most {
            return Err(Full);
        }
        account.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Seat(Arc::clone(account)))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.book.lock().accounts.len()
    }
}

impl Book {
    /// Forgets accounts without connections: those that need not be remembered, and beyond [`MOST_CLOSED`] those that closed first.
    fn forget(&mut self, now: Instant) {
        self.accounts.retain(|_, account| account.is_open() || account.is_remembered(now));
        let mut closed: Vec<_> = self.accounts.iter().filter(|(_, account)| !account.is_open()).collect();
        if let Some(excess) = closed.len().checked_sub(MOST_CLOSED).filter(|excess| *excess > 0) {
            closed.sort_by_key(|(_, account)| *account.closed.lock());
            let first: Vec<_> = closed.into_iter().take(excess).map(|(identity, _)| *identity).collect();
            for identity in first {
                self.accounts.remove(&identity);
            }
        }
        self.look_through_at = self.accounts.len() * 2 + SPARE;
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

    /// Connections that are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What its connections may take together.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Counts a denied call, and says when to answer it: denials are answered at one pace over all connections of the certificate.
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

impl Seat {
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.closed.lock() = Instant::now();
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a client has used up is not for those who look at a peer.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests;
