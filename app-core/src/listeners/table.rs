//! The listeners of an app: which it was given, which service has which, and which are kept.
//!
//! Invariants:
//!
//! 1. A listener that was given belongs to at most one service. [`Listeners::assign`] decides, before any service starts.
//! 2. A kept listener stays open until the process ends or its service listens elsewhere. So a service that restarts gets it again,
//!    and clients wait in the meantime.
//! 3. Without a service manager, a predecessor or a handover path, nothing is kept: a listener closes when its service drops it.
//! 4. The manager keeps at most one listener under a name, and `is_stored` is true for that listener only. A name is forgotten before
//!    the next listener of that name is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::fs::fstat;

use super::{
    Inherited, ListenError, Listener, ListenerOrigin, Listening, Offer,
    accepting::{Gate, InUse},
    bind::{self, Bound},
    place::Spot,
    store::ListenerStore,
};

/// How long the service manager may take to close a listener that it was told to forget. A new one may need the port.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(3);
/// How often binding is tried in that time.
const PAUSE: Duration = Duration::from_millis(10);

/// The listeners of an app.
#[derive(Debug)]
pub(crate) struct Listeners {
    gate: Arc<Gate>,
    /// Whether listeners stay open while their service does not run.
    keeps: bool,
    /// The store of the service manager, if one watches this process.
    store: Option<ListenerStore>,
    /// The names and addresses of the listeners of the process that this one replaces.
    predecessor: Vec<(String, SocketAddr)>,
    /// Why listeners cannot be taken. Each stops the start.
    problems: Vec<String>,
    state: Mutex<TableState>,
}

#[derive(Debug, Default)]
struct TableState {
    /// Not assigned to a service yet.
    offers: Vec<Offer>,
    /// By the name of the service, which has not asked for it yet.
    assigned: BTreeMap<String, Offer>,
    open: BTreeMap<String, Open>,
    /// Names that the service manager shall forget.
    forget: BTreeSet<String>,
    /// When it was told the last such name.
    told_to_forget: Option<Instant>,
}

/// What came of giving each listener to a service.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    /// Why the app cannot start.
    pub(crate) problems: Vec<String>,
    /// What clients will notice, for the log.
    pub(crate) warnings: Vec<String>,
    /// What an operator may want to know, for the log.
    pub(crate) notes: Vec<String>,
}

/// A listener that a service asked for.
#[derive(Debug)]
struct Open {
    kept: Option<TcpListener>,
    address: SocketAddr,
    origin: ListenerOrigin,
    is_stored: bool,
    in_use: Weak<InUse>,
}

/// A listener of an app, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerStatus {
    /// The name of the service that has it.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it came from.
    pub origin: ListenerOrigin,
    /// Whether the service manager keeps it, so that it outlives this process.
    pub stored: bool,
}

/// What the service manager is to do with a listener.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreStep {
    /// Keep it under this name.
    Put {
        /// The name of its service.
        name: String,
        /// The listener.
        socket: OwnedFd,
    },
    /// Forget what it keeps under this name.
    Remove {
        /// The name of its service.
        name: String,
    },
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            gate: Arc::new(Gate::opened()),
            keeps: false,
            store: None,
            predecessor: Vec::new(),
            problems: Vec::new(),
            state: Mutex::default(),
        }
    }
}

impl Listeners {
    /// The listeners of the process's own app. `hands_over` is whether the next process gets them from this one.
    pub(crate) fn new(inherited: Inherited, hands_over: bool) -> Self {
        let Inherited { offers, problems, store, .. } = inherited;
        let keeps = store.is_some() || hands_over || !offers.is_empty();
        let state = Mutex::new(TableState { offers, ..TableState::default() });
        Self { keeps, store, problems, state, ..Self::default() }
    }

    /// Adds the listeners of the process that runs. Nothing is accepted before [`open_gate`](Self::open_gate).
    pub(crate) fn wait_for(mut self, handed: Vec<Offer>) -> Self {
        self.gate = Arc::default();
        let of = |offer: &Offer| (offer.name.clone().unwrap_or_default(), offer.address);
        self.predecessor = handed.iter().map(of).collect();
        self.state.get_mut().offers.extend(handed);
        self
    }

    /// Adds a reason why the app cannot start.
    pub(crate) fn with_problem(mut self, problem: String) -> Self {
        self.problems.push(problem);
        self
    }

    /// Whether no listener came from elsewhere, so that there is nothing to assign.
    pub(crate) fn are_all_new(&self) -> bool {
        self.problems.is_empty() && self.state.lock().offers.is_empty()
    }

    /// Gives each listener to a service: by its name, or else by its address. What fits no service is closed.
    ///
    /// Listeners that this platform bound itself are never wrong: a config may have moved since.
    pub(crate) fn assign(&self, services: &[Listening]) -> Assignment {
        let mut done = Assignment { problems: self.problems.clone(), ..Assignment::default() };
        let mut state = self.state.lock();
        let mut offers = std::mem::take(&mut state.offers);
        // What this process inherited goes first, because nothing else can replace it.
        offers.sort_by_key(|offer| offer.origin != ListenerOrigin::Inherited);
        for offer in offers {
            match choose(&offer, services, &state.assigned) {
                Ok(service) => {
                    remark(&offer, service, &mut done);
                    state.assigned.insert(service.name.clone(), offer);
                }
                Err(problem) if offer.origin == ListenerOrigin::Inherited => done.problems.push(problem),
                Err(_) => {
                    let name = offer.name.filter(|_| offer.origin == ListenerOrigin::Store);
                    state.forget.extend(name);
                }
            }
        }
        done
    }

    /// Whether a listener waits for this service.
    pub(crate) fn is_offered(&self, name: &str) -> bool {
        self.state.lock().assigned.contains_key(name)
    }

    /// The listener of a service. Blocks the thread for at most three seconds, if the service manager still holds its port.
    pub(crate) fn listen(
        &self,
        name: &str,
        address: Option<IpAddr>,
        port: u16,
    ) -> Result<Listener, ListenError> {
        let spot = Spot { address, port };
        if let Some(given) = self.given(name, spot)? {
            return Ok(given);
        }
        let Bound { socket, address, without_ipv6 } = self.bind(spot)?;
        if self.store.is_some() {
            // Without the mark, the next process takes the listener for one of the manager's own.
            bind::mark(&socket).map_err(|error| ListenError::new(address, error))?;
        }
        let bound = (socket, address, ListenerOrigin::Bound);
        Ok(self.enter(&mut self.state.lock(), name, bound, without_ipv6))
    }

    /// The listener that is there for a service. One that is elsewhere than its config says is closed, so that it is not in the way.
    fn given(&self, name: &str, spot: Spot) -> Result<Option<Listener>, ListenError> {
        let mut state = self.state.lock();
        if let Some(open) = state.open.get(name) {
            if let Some(again) = again(open, spot) {
                return Ok(Some(self.enter(&mut state, name, again, None)));
            }
            if open.origin == ListenerOrigin::Inherited && !spot.fits(open.address, open.origin) {
                return Err(disagree(name, spot, open.address));
            }
            let is_stored = open.is_stored;
            state.open.remove(name);
            state.forget.extend(is_stored.then(|| name.to_owned()));
        }
        let Some(offer) = state.assigned.remove(name) else { return Ok(None) };
        if spot.fits(offer.address, offer.origin) {
            let Offer { socket, address, origin, .. } = offer;
            return Ok(Some(self.enter(&mut state, name, (socket, address, origin), None)));
        }
        if offer.origin == ListenerOrigin::Inherited {
            let at = offer.address;
            state.assigned.insert(name.to_owned(), offer);
            return Err(disagree(name, spot, at));
        }
        state.forget.extend((offer.origin == ListenerOrigin::Store).then(|| name.to_owned()));
        Ok(None)
    }

    /// Binds. If a listener that the service manager shall forget may be in the way, waits until the manager has closed it.
    fn bind(&self, spot: Spot) -> Result<Bound, ListenError> {
        let began = Instant::now();
        loop {
            let failed = match bind::bind(spot.address, spot.port) {
                Err(failed) if failed.error.kind() == io::ErrorKind::AddrInUse => failed,
                bound => return bound,
            };
            if !self.waits_for_the_manager() || began.elapsed() >= FORGOTTEN_WITHIN {
                let theirs = self.predecessor.iter().find(|(_, at)| spot.overlaps(*at));
                // Once this process accepts, the other one is about to end.
                return Err(match theirs.filter(|_| !self.gate.is_open()) {
                    Some((name, at)) => failed.held_by_predecessor(name, *at),
                    None => failed,
                });
            }
            thread::sleep(PAUSE);
        }
    }

    /// Tells the manager what it shall forget. Returns whether it may still have to close a listener.
    fn waits_for_the_manager(&self) -> bool {
        let Some(store) = &self.store else { return false };
        let mut state = self.state.lock();
        let TableState { forget, told_to_forget, .. } = &mut *state;
        let before = forget.len();
        // Under the lock, so that no listener of this name is stored in between (invariant 4).
        forget.retain(|name| store.forget(name).is_err());
        if forget.len() < before {
            *told_to_forget = Some(Instant::now());
        }
        !forget.is_empty() || told_to_forget.is_some_and(|at| at.elapsed() < FORGOTTEN_WITHIN)
    }

    fn enter(
        &self,
        state: &mut TableState,
        name: &str,
        (socket, address, origin): (TcpListener, SocketAddr, ListenerOrigin),
        without_ipv6: Option<io::Error>,
    ) -> Listener {
        let in_use = Arc::new(InUse::default());
        // Without a descriptor to spare, it is not kept. It works all the same.
        let kept = self.keeps.then(|| socket.try_clone().ok()).flatten();
        let is_stored =
            origin == ListenerOrigin::Store || state.open.get(name).is_some_and(|old| old.is_stored);
        if is_stored || origin == ListenerOrigin::Inherited {
            in_use.set_outlives();
        }
        let open = Open { kept, address, origin, is_stored, in_use: Arc::downgrade(&in_use) };
        state.open.insert(name.to_owned(), open);
        Listener { socket, address, origin, without_ipv6, gate: Arc::clone(&self.gate), in_use }
    }

    /// The listeners that services have, sorted by name.
    pub(crate) fn statuses(&self) -> Vec<ListenerStatus> {
        let state = self.state.lock();
        let open = state.open.iter().filter(|(_, open)| open.in_use.strong_count() > 0);
        let status = |(name, open): (&String, &Open)| ListenerStatus {
            name: name.clone(),
            address: open.address,
            origin: open.origin,
            stored: open.is_stored,
        };
        open.map(status).collect()
    }

    /// The names of services with a listener that outlives this process, and that no other process accepts on yet.
    pub(crate) fn accept_last(&self) -> Vec<String> {
        if self.gate.is_released() {
            return Vec::new();
        }
        let state = self.state.lock();
        let outlives = |open: &Open| open.in_use.upgrade().is_some_and(|in_use| in_use.outlives());
        state.open.iter().filter(|(_, open)| outlives(open)).map(|(name, _)| name.clone()).collect()
    }

    /// What the service manager is still to be told, removals first. Empty without a manager.
    pub(crate) fn to_store(&self) -> Vec<StoreStep> {
        if self.store.is_none() {
            return Vec::new();
        }
        let state = self.state.lock();
        let mut steps: Vec<_> =
            state.forget.iter().map(|name| StoreStep::Remove { name: name.clone() }).collect();
        let new =
            state.open.iter().filter(|(_, open)| open.origin == ListenerOrigin::Bound && !open.is_stored);
        steps.extend(new.filter_map(|(name, open)| {
            let socket = open.kept.as_ref()?.try_clone().ok()?.into();
            Some(StoreStep::Put { name: name.clone(), socket })
        }));
        steps
    }

    /// Notes that the service manager was told.
    pub(crate) fn told(&self, step: &StoreStep) {
        let mut state = self.state.lock();
        match step {
            StoreStep::Remove { name } => {
                state.forget.remove(name);
                state.told_to_forget = Some(Instant::now());
            }
            StoreStep::Put { name, socket } => {
                let same = |open: &&mut Open| open.kept.as_ref().is_some_and(|kept| is_same(kept, socket));
                let Some(open) = state.open.get_mut(name).filter(same) else {
                    // The service listens elsewhere by now.
                    state.forget.insert(name.clone());
                    return;
                };
                open.is_stored = true;
                if let Some(in_use) = open.in_use.upgrade() {
                    in_use.set_outlives();
                }
            }
        }
    }

    /// Copies of the listeners that services have, for the process that replaces this one.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(crate) fn copies(&self) -> io::Result<Vec<(String, SocketAddr, OwnedFd)>> {
        let state = self.state.lock();
        let open = state.open.iter().filter(|(_, open)| open.in_use.strong_count() > 0);
        let kept = open.filter_map(|(name, open)| Some((name, open.address, open.kept.as_ref()?)));
        kept.map(|(name, address, socket)| Ok((name.clone(), address, socket.try_clone()?.into()))).collect()
    }

    /// Lets services accept.
    pub(crate) fn open_gate(&self) {
        self.gate.open();
    }

    /// Ends accepting, because another process accepts now.
    pub(crate) fn release(&self) {
        self.gate.release();
    }
}

/// The listener that was kept for a service which asks again.
fn again(open: &Open, spot: Spot) -> Option<(TcpListener, SocketAddr, ListenerOrigin)> {
    let socket = open.kept.as_ref().filter(|_| spot.fits(open.address, open.origin))?.try_clone().ok()?;
    Some((socket, open.address, open.origin))
}

/// Whether two descriptors are of one socket.
fn is_same(one: impl AsFd, other: impl AsFd) -> bool {
    let file = |socket: BorrowedFd<'_>| fstat(socket).map(|found| (found.st_dev, found.st_ino)).ok();
    file(one.as_fd()).is_some_and(|one| Some(one) == file(other.as_fd()))
}

/// The error of a service whose config does not agree with the listener that it inherited.
fn disagree(name: &str, spot: Spot, inherited: SocketAddr) -> ListenError {
    let address = SocketAddr::new(spot.address.unwrap_or(IpAddr::from([0, 0, 0, 0])), spot.port);
    let error = io::Error::other("another listener was inherited");
    ListenError { inherited: Some((name.to_owned(), inherited)), ..ListenError::new(address, error) }
}

/// The service that a listener is for.
fn choose<'a>(
    offer: &Offer,
    services: &'a [Listening],
    taken: &BTreeMap<String, Offer>,
) -> Result<&'a Listening, String> {
    let address = offer.address;
    let named = services.iter().find(|service| Some(&service.name) == offer.name.as_ref());
    let by_address =
        || services.iter().find(|service| service.place.is_some_and(|place| place.spot().names(address)));
    let Some(service) = named.or_else(by_address) else {
        let mut known: Vec<_> = services.iter().map(|service| service.name.as_str()).collect();
        known.sort_unstable();
        return Err(format!(
            "{} fits no service: no service of that name listens, and none listens at that address; the names are: {}",
            offer.describe(),
            known.join(", ")
        ));
    };
    if let Some(other) = taken.get(&service.name) {
        return Err(format!(
            "{} and {} are both for the service {:?}, which has one listener; pass on one of them",
            other.describe(),
            offer.describe(),
            service.name
        ));
    }
    match service.place {
        Some(place) if !place.spot().fits(address, offer.origin) => Err(format!(
            "{}: {} says {}; set {} to {} or 0 there, or pass on another listener",
            offer.describe(),
            place.set_by,
            place.spot().describe(),
            place.set_by.port(),
            address.port()
        )),
        // The manager's own listener waits for a config. The others would only hold a port.
        None if offer.origin != ListenerOrigin::Inherited => Err(format!("{} is not used", offer.describe())),
        _ => Ok(service),
    }
}

/// What the log is to say of a listener that goes to this service.
fn remark(offer: &Offer, service: &Listening, done: &mut Assignment) {
    let Listening { name, place } = service;
    match place {
        None => done.warnings.push(format!(
            "{}: the service {name:?} has no config, so it accepts nothing; clients that connect wait until they give up; add a config, or do not pass the listener on",
            offer.describe()
        )),
        Some(place) if place.spot().is_wider_than(offer.address) => done.notes.push(format!(
            "{}: {} names no address, so the listener decides, and only {} is reached",
            offer.describe(),
            place.set_by,
            offer.address.ip()
        )),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests;
