//! The one way into the admin interface.
//!
//! Invariants:
//! 1. Every capability that a client gets is made by [`Session::offer`], so every call of it passes [`Gate::dispatch_call`]
//!    before the code of the method sees it. Nothing else in this module's directory makes one; a test holds it to that.
//! 2. The role is looked up for each call ([`Peer::role_now`]): a grant that is taken away counts from the next call on, however
//!    long the connection and its capabilities live.
//! 3. A call of an audited method has its record before anything is awaited (see [`audit`](super::audit)). It acts after the record
//!    has left for the log's sink, or not at all. `App.kill` and `App.end` alone act although the log takes no records: their effect
//!    is seen anyway, and a signal could not be refused either.
//! 4. Granted calls of one connection act in the order in which they came. Nothing else waits for another call: no call of another
//!    connection, and no call that is not granted.

use std::future::ready;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use app_tls::list_names;
use capnp::any_pointer;
use capnp::capability::{self, DispatchCallResult, FromClientHook, FromServer, Params, Promise, Results};
use capnp::private::capability::ClientHook;
use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::unconstrained;
use tokio::time::sleep_until;

use super::Admin;
use super::audit::{GrantedCall, Outcome, Record};
use super::clients::Client;
use super::methods::{About, Method};
use super::reason::Reason;
use crate::Peer;
use crate::grants::Granted;
use crate::text::bounded;

/// A client on one connection.
pub(super) struct Session {
    pub(super) admin: Arc<Admin>,
    pub(super) peer: Peer,
    /// What it shares with the other connections of its certificate.
    pub(super) client: Arc<Client>,
    /// Whose turn it is to act, among granted calls.
    order: Arc<Mutex<()>>,
}

/// What the gate says to a call.
enum Ruling {
    /// It may act, once its record has left for the log's sink.
    Granted(GrantedCall),
    /// It may not: this is the answer, and when the client gets it.
    TurnedDown(capnp::Error, tokio::time::Instant),
}

impl Session {
    pub(super) fn new(admin: Arc<Admin>, peer: Peer) -> Rc<Self> {
        let client = admin.clients.enter(&peer, &admin.audit);
        Rc::new(Self { admin, peer, client, order: Arc::default() })
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

    /// The client, for texts that others read: by the name that its role was granted to.
    pub(super) fn who(&self) -> String {
        let name = self.peer.granted_now().by;
        let name = name.as_deref().or(self.peer.certificate.names.first().map(String::as_str));
        bounded(name.unwrap_or("a client without a name"), 256)
    }

    /// Judges a call of an audited method. Its record is handed over when this returns.
    fn judge(&self, method: &'static Method, params: &Params<any_pointer::Owned>) -> Ruling {
        let about = params.get().and_then(|params| method.about(params)).unwrap_or_else(|error| {
            let wrong = format!("its parameters can't be read: {error}");
            About { target: String::new(), reason: Reason::Wrong(String::new(), wrong) }
        });
        let granted = self.peer.granted_now();
        let (outcome, detail, answer) = match about.reason.problem() {
            _ if granted.role < method.role => (Outcome::Denied, "", self.denied(method, &granted)),
            Some(wrong) => (Outcome::Refused, wrong, format!("{}: {wrong}", method.name)),
            None => {
                let record = Record::new(method, &self.peer, granted, &about);
                return Ruling::Granted(GrantedCall::begin(&self.admin.audit, record));
            }
        };
        let record = Record::new(method, &self.peer, granted, &about).outcome(outcome, detail);
        Ruling::TurnedDown(capnp::Error::failed(answer), self.client.turn_down(&self.peer, &record))
    }

    /// What is needed, what there is, and the cure.
    fn denied(&self, method: &Method, granted: &Granted) -> String {
        let names = &self.peer.certificate.names;
        let names = if names.is_empty() { "without a name".to_owned() } else { list_names(names) };
        format!(
            "denied: {} needs the role {}, and this client ({names}) has the role {}: grant it to one of its names, \
             in `grants` of config {:#x}",
            method.name,
            method.role,
            granted.role,
            super::APP_RPC_SERVICE_ID
        )
    }

    /// A place in the line of calls that act, taken at once. It is the call's turn when this resolves.
    fn line_up(&self) -> impl Future<Output = OwnedMutexGuard<()>> + use<> {
        // The place is taken by the first poll, whatever else this task did before.
        let mut turn = Box::pin(unconstrained(Arc::clone(&self.order).lock_owned()));
        match turn.as_mut().now_or_never() {
            Some(turn) => Either::Left(ready(turn)),
            None => Either::Right(turn),
        }
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
        // Every client that was let in may look.
        if !method.is_audited() {
            return inner.clone().dispatch_call(interface, ordinal, params, results);
        }
        let mut granted = match session.judge(method, &params) {
            Ruling::Granted(granted) => granted,
            Ruling::TurnedDown(answer, at) => {
                drop(params);
                let admin = Arc::clone(&session.admin);
                let answered = async move {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        // A stop does not wait for the pace.
                        () = admin.service.dying() => {}
                    }
                    Err(answer)
                };
                return DispatchCallResult::new(Promise::from_future(answered), false);
            }
        };
        let (inner, turn) = (inner.clone(), session.line_up());
        let call = async move {
            let turn = turn.await;
            if !granted.is_recorded().await && !method.acts_unrecorded() {
                let unwritten =
                    "its audit record can't be written, since the log takes no records; nothing was done";
                let unwritten = Err(capnp::Error::failed(format!("{}: {unwritten}", method.name)));
                granted.end(&unwritten);
                return unwritten;
            }
            granted.acts();
            let call = inner.dispatch_call(interface, ordinal, params, results).promise;
            // It begins before the next one in line has its turn: nothing is awaited in between.
            drop(turn);
            let result = call.await;
            granted.end(&result);
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
