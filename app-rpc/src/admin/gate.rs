//! The one way into the admin interface.
//!
//! Invariants:
//! 1. Every capability that a client gets is made by [`Session::offer`], so every call of it passes [`Gate::dispatch_call`]
//!    before the code of the method sees it. Nothing else in this module's directory makes one; a test holds it to that.
//! 2. The role is looked up for each call ([`Peer::role_now`]): a grant that is taken away counts from the next call on, however
//!    long the connection and its capabilities live.
//! 3. A call of a method that is audited acts after its record was written, or not at all. `App.kill` and `App.end` alone act
//!    although the log takes no records: their effect is seen anyway, and a signal could not be refused either.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use capnp::any_pointer;
use capnp::capability::{self, DispatchCallResult, FromClientHook, FromServer, Params, Promise, Results};
use capnp::private::capability::ClientHook;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::Admin;
use super::audit::{Outcome, Record};
use super::methods::{About, Method};
use super::reason::Reason;
use crate::{Peer, Role};

/// A client on one connection, and what it holds.
pub(super) struct Session {
    pub(super) admin: Arc<Admin>,
    pub(super) peer: Peer,
    /// Streams of events that it holds.
    pub(super) streams: Places,
    /// Readers of texts that it holds.
    pub(super) readers: Places,
    /// Calls that are audited pass one after another, in the order in which they came.
    order: Mutex<()>,
}

impl Session {
    pub(super) fn new(admin: Arc<Admin>, peer: Peer) -> Rc<Self> {
        let (streams, readers) = (Places::new(super::MAX_STREAMS), Places::new(super::MAX_READERS));
        Rc::new(Self { admin, peer, streams, readers, order: Mutex::const_new(()) })
    }

    /// What the client may call: the server, behind the gate.
    pub(super) fn offer<C, S>(self: &Rc<Self>, server: S) -> C
    where
        C: FromServer<S>,
    {
        let inner = C::from_server(Rc::new(server));
        let gated: GatedClient<C::Dispatch> = capnp_rpc::new_client(Gate { inner, session: Rc::clone(self) });
        C::new(gated.hook)
    }

    /// Lets a call of an audited method pass, or tells why not. Either is on record when it returns.
    async fn admit(&self, method: &'static Method, params: &Params<any_pointer::Owned>) -> capnp::Result<()> {
        let about = params.get().and_then(|params| method.about(params)).unwrap_or_else(|error| {
            let wrong = format!("its parameters can't be read: {error}");
            About { target: String::new(), reason: Reason::Wrong(String::new(), wrong) }
        });
        let role = self.peer.role_now();
        let (outcome, detail, answer) = match about.reason.problem() {
            _ if role < method.role => (Outcome::Denied, String::new(), self.denied(method, role)),
            Some(wrong) => (Outcome::Refused, wrong.to_owned(), format!("{}: {wrong}", method.name)),
            None => (Outcome::Granted, String::new(), String::new()),
        };
        let mut record = Record::new(method, &self.peer, role, &about, outcome);
        record.detail = detail;
        if outcome != Outcome::Granted {
            // Whoever is denied again and again must not fill the log.
            let at = self.peer.account().next_denial(Instant::now());
            sleep_until(at).await;
            self.admin.audit.write(record).await;
            return Err(capnp::Error::failed(answer));
        }
        if self.admin.audit.write(record).await || method.acts_unrecorded() {
            return Ok(());
        }
        let unwritten = "its audit record can't be written, since the log takes no records; nothing was done";
        Err(capnp::Error::failed(format!("{}: {unwritten}", method.name)))
    }

    /// What is needed, what there is, and the cure.
    fn denied(&self, method: &Method, role: Role) -> String {
        let names = super::text::bounded(&self.peer.certificate.names.join(", "), 256);
        let names = if names.is_empty() { "without a name" } else { &names };
        format!(
            "denied: {} needs the role {}, and this client ({names}) has the role {role}: grant it to one of its names, \
             in `grants` of config {:#x}",
            method.name,
            method.role,
            super::APP_RPC_SERVICE_ID
        )
    }

    /// Puts on record that a call which was granted came to nothing.
    async fn failed(&self, method: &'static Method, about: Option<About>, error: &capnp::Error) {
        let about = about.unwrap_or(About { target: String::new(), reason: Reason::NotTaken });
        let mut record = Record::new(method, &self.peer, self.peer.role_now(), &about, Outcome::Failed);
        record.detail = super::text::short(&error.extra);
        self.admin.audit.write(record).await;
    }
}

/// So many of something may be there.
pub(super) struct Places {
    taken: Rc<Cell<usize>>,
    most: usize,
}

/// A place, until it is dropped.
pub(super) struct Place(Rc<Cell<usize>>);

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Rc::default(), most }
    }

    /// Takes a place for one of `what`.
    pub(super) fn take(&self, what: &str) -> capnp::Result<Place> {
        if self.taken.get() >= self.most {
            let full = format!("this connection has {} {what} already: let go of one", self.most);
            return Err(capnp::Error::failed(full));
        }
        self.taken.set(self.taken.get() + 1);
        Ok(Place(Rc::clone(&self.taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A server with the check before it.
struct Gate<D> {
    inner: D,
    session: Rc<Session>,
}

/// What capnp-rpc dispatches calls to.
struct GateDispatch<D>(Rc<Gate<D>>);

impl<D> Clone for GateDispatch<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<D> Deref for GateDispatch<D> {
    type Target = Gate<D>;

    fn deref(&self) -> &Gate<D> {
        &self.0
    }
}

impl<D: capability::Server + Clone + 'static> capability::Server for GateDispatch<D> {
    fn dispatch_call(
        self,
        interface: u64,
        ordinal: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        let Some(method) = Method::find(interface, ordinal) else {
            let unknown = format!(
                "method not implemented: this release has no method {ordinal} of interface {interface:#x} here"
            );
            return DispatchCallResult::new(Promise::err(capnp::Error::unimplemented(unknown)), false);
        };
        let Gate { inner, session } = &*self.0;
        // Everybody who was let in may look.
        if !method.is_audited() {
            return inner.clone().dispatch_call(interface, ordinal, params, results);
        }
        let (inner, session) = (inner.clone(), Rc::clone(session));
        let call = async move {
            let turn = session.order.lock().await;
            session.admit(method, &params).await?;
            let about = params.get().and_then(|params| method.about(params)).ok();
            let call = inner.dispatch_call(interface, ordinal, params, results).promise;
            // It begins before the next one in line has its turn: nothing is awaited in between.
            drop(turn);
            let result = call.await;
            if let Err(error) = &result {
                session.failed(method, about, error).await;
            }
            result
        };
        DispatchCallResult::new(Promise::from_future(call), false)
    }

    fn as_ptr(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }
}

/// A client of a server behind the gate, before it is one of an interface.
struct GatedClient<D> {
    hook: Box<dyn ClientHook>,
    dispatch: PhantomData<D>,
}

impl<D> FromClientHook for GatedClient<D> {
    fn new(hook: Box<dyn ClientHook>) -> Self {
        Self { hook, dispatch: PhantomData }
    }

    fn into_client_hook(self) -> Box<dyn ClientHook> {
        self.hook
    }

    fn as_client_hook(&self) -> &dyn ClientHook {
        &*self.hook
    }
}

impl<D: capability::Server + Clone + 'static> FromServer<Gate<D>> for GatedClient<D> {
    type Dispatch = GateDispatch<D>;

    fn from_server(gate: Rc<Gate<D>>) -> GateDispatch<D> {
        GateDispatch(gate)
    }
}
