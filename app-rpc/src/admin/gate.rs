//! The gate: every call to the admin interface passes it.
//!
//! Invariants:
//! 1. [`Session::offer`] makes every capability that a client gets, so each of its calls passes the gate before the code of the method.
//!    Nothing else in this directory makes capabilities; a test checks that.
//! 2. The role is looked up for each call ([`Peer::granted_now`]). A grant that is removed no longer counts from the next call on, on
//!    open connections and for existing capabilities, too.
//! 3. A call of an audited method has its record before anything is awaited (see [`audit`](super::audit)). It acts after the record
//!    has left for the log's sink, or not at all. `App.kill` and `App.end` alone act even if the log takes no records: their effect
//!    is visible anyway, and a signal could not be refused either.
//! 4. Granted calls of one connection act in the order of their arrival. No other call waits for another one.

use std::future::ready;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use app_tls::list_names;
use capnp::any_pointer;
use capnp::capability::{self, DispatchCallResult, FromClientHook, FromServer, Params, Promise, Results};
use futures_util::FutureExt;
use futures_util::future::Either;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::unconstrained;
use tokio::time::sleep_until;

use super::Admin;
use super::audit::{GrantedCall, Outcome, Record};
use super::clients::Client;
use super::methods::{About, Method};
use super::operations;
use super::reason::Reason;
use crate::Peer;
use crate::grants::Granted;
use crate::text::bounded;

/// A client on one connection.
pub(super) struct Session {
    pub(super) admin: Arc<Admin>,
    pub(super) peer: Peer,
    /// What the connection shares with others of the same certificate.
    pub(super) client: Arc<Client>,
    /// Held by the granted call whose turn it is to act.
    order: Arc<Mutex<()>>,
}

/// What the gate decides about a call.
enum Decision {
    /// The call may act at once: it only looks, and needs no record.
    Looks,
    /// The call may act, once its record has left for the log's sink.
    Granted(Box<GrantedCall>),
    /// The call may not act. The client gets this answer at this time.
    Rejected(capnp::Error, tokio::time::Instant),
}

impl Session {
    pub(super) fn new(admin: Arc<Admin>, peer: Peer) -> Rc<Self> {
        let client = admin.clients.enter(&peer, &admin.audit);
        Rc::new(Self { admin, peer, client, order: Arc::default() })
    }

    /// A capability for the client: the server, behind the gate.
    pub(super) fn offer<C, S>(self: &Rc<Self>, server: S) -> C
    where
        C: FromServer<S>,
    {
        let inner = C::from_server(Rc::new(server));
        let gated: capability::Client = capnp_rpc::new_client(Gate { inner, session: Rc::clone(self) });
        gated.cast_to()
    }

    /// The client in texts for people: the name that its role was granted to, or else its first name.
    pub(super) fn who(&self) -> String {
        let name = self.peer.granted_now().by;
        let name = name.as_deref().or(self.peer.certificate.names.first().map(String::as_str));
        bounded(name.unwrap_or("a client without a name"), 256)
    }

    /// Decides about a call, and hands its record to the log if it has one.
    fn decide(&self, method: &'static Method, params: &Params<any_pointer::Owned>) -> Decision {
        let granted = self.peer.granted_now();
        let about = if method.by_operation {
            // Parameters that are unreadable call no operation. The method answers so.
            let params = params.get().and_then(|params| params.get_as());
            let Some(about) =
                params.ok().and_then(|params| operations::about(self.admin.app(), granted.role, params))
            else {
                return Decision::Looks;
            };
            about
        } else if method.is_audited() {
            params.get().and_then(|params| method.about(params)).unwrap_or_else(|error| {
                let wrong = format!("its parameters are unreadable: {error}");
                let reason = Reason::Wrong(String::new(), wrong);
                About { target: String::new(), reason, needed: method.role, refused: None, called: None }
            })
        } else {
            return Decision::Looks;
        };
        let (outcome, detail, answer) = match about.reason.problem().or(about.refused.as_deref()) {
            _ if granted.role < about.needed => (Outcome::Denied, "", self.denied(method, &about, &granted)),
            Some(wrong) => (Outcome::Refused, wrong, format!("{}: {wrong}", method.name)),
            None => {
                let record = Record::new(method, &self.peer, granted, &about);
                return Decision::Granted(Box::new(GrantedCall::begin(&self.admin.audit, record)));
            }
        };
        let record = Record::new(method, &self.peer, granted, &about).outcome(outcome, detail);
        Decision::Rejected(capnp::Error::failed(answer), self.client.reject(&self.peer, &record))
    }

    /// The answer to a denied call: the role that it needs, the client's role, and where to grant another one.
    fn denied(&self, method: &Method, about: &About, granted: &Granted) -> String {
        let names = &self.peer.certificate.names;
        let names = if names.is_empty() { "without a name".to_owned() } else { list_names(names) };
        format!(
            "denied: {} needs the role {}, and this client ({names}) has the role {}: grant it to one of its names, \
             in `grants` of config {:#x}",
            about.called.as_ref().map_or(method.name, |called| &called.operation),
            about.needed,
            granted.role,
            super::APP_RPC_SERVICE_ID
        )
    }

    /// Joins the queue of granted calls at once. The future resolves when it is the call's turn.
    fn line_up(&self) -> impl Future<Output = OwnedMutexGuard<()>> + use<> {
        // The first poll joins the queue, even if the task has used up its budget.
        let mut turn = Box::pin(unconstrained(Arc::clone(&self.order).lock_owned()));
        match turn.as_mut().now_or_never() {
            Some(turn) => Either::Left(ready(turn)),
            None => Either::Right(turn),
        }
    }
}

/// A server, and the session whose role its calls need.
struct Gate<D> {
    inner: D,
    session: Rc<Session>,
}

/// The object to which capnp-rpc dispatches calls.
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
                "method not implemented: this release has no method {ordinal} of interface {interface:#x}"
            );
            return DispatchCallResult::new(Promise::err(capnp::Error::unimplemented(unknown)), false);
        };
        let Gate { inner, session } = &*self.0;
        let mut granted = match session.decide(method, &params) {
            // Every client may make these calls.
            Decision::Looks => return inner.clone().dispatch_call(interface, ordinal, params, results),
            Decision::Granted(granted) => granted,
            Decision::Rejected(answer, at) => {
                drop(params);
                let admin = Arc::clone(&session.admin);
                let answered = async move {
                    tokio::select! {
                        () = sleep_until(at) => {}
                        // A stop answers at once.
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
                    "nothing was done: the log takes no records, so there would be no audit record";
                let unwritten = Err(capnp::Error::failed(format!("{}: {unwritten}", method.name)));
                granted.end(&unwritten);
                return unwritten;
            }
            granted.acts();
            let call = inner.dispatch_call(interface, ordinal, params, results).promise;
            // The call began to act before the next one has its turn: nothing was awaited since.
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

/// capnp-rpc makes an untyped client of a gate. [`Session::offer`] makes it a client of an interface.
impl<D: capability::Server + Clone + 'static> FromServer<Gate<D>> for capability::Client {
    type Dispatch = GateDispatch<D>;

    fn from_server(gate: Rc<Gate<D>>) -> GateDispatch<D> {
        GateDispatch(gate)
    }
}
