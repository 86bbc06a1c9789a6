//! The admin interface: how an operator looks at a running application and changes it.
//!
//! Linking this crate installs the interface as the service `rpc`, with the id [`APP_RPC_SERVICE_ID`]. It listens if that service has a
//! config, an `RPCServerSpec`. The interface is defined in `schema/capnp/admin.capnp`: first the methods of the original, with their ids
//! and ordinals, then those of this platform. `appctl` is its client. [`METHODS`] lists all methods.
//!
//! # Roles
//!
//! The interface identifies a client by the DNS names in its certificate. The config of the service has `grants`, which give a role to a
//! name:
//!
//! ```json
//! { "grants": [ { "name": "deploy.example.com", "role": "operate" }, { "name": "oncall.example.com", "role": "admin" } ] }
//! ```
//!
//! | role | given to | allows |
//! |---|---|---|
//! | `read` | every client that is let in | looking: identity, services, health, levels, metrics, configs, events |
//! | `operate` | the names in `grants` | changing how the application runs: levels, health checks, reloads, restarts of services; stack dumps |
//! | `admin` | the names in `grants` | ending the application |
//!
//! One table has the role of each method ([`METHODS`]). One check compares it with the client's [`Role`](crate::Role), for every call of
//! every capability. The role is looked up for each call, so a reload with other grants also takes effect on open connections. The answer
//! to a denied call is an error that begins with `denied: `. It names the method, the role that the method needs, the client's role, and
//! where to grant another one. A client with many denied calls in a row gets these answers slowly, over all its connections.
//!
//! # Audit records
//!
//! `App.callOperation` calls an operation of a service ([`app_core::operations`]). Its role is that of the operation. It has records if
//! the operation changes something, or if the call is denied.
//!
//! Every other call that needs more than `read` has a log record with the event [`ADMIN_CALL`] (`admin_call`), whether it is granted or not.
//! Its level is `info` if the call is granted, and `warn` otherwise. Log levels do not suppress it:
//!
//! | key | |
//! |---|---|
//! | `method`, `target`, `reason` | what the client called, on what, and why; `target` and `reason` have up to 1,024 bytes |
//! | `outcome` | see below |
//! | `role`, `granted_by` | the client's role, and the name in its certificate that the role was granted to; `null` without a grant |
//! | `role_needed` | the role that the call needs: that of the method, or of the called operation |
//! | `operation`, `arguments`, `request_id` | of `App.callOperation`: what is called, with which arguments (1 KiB, without secrets) |
//! | `names`, `names_left_out` | the names in the client's certificate, as a list, and how many more there are |
//! | `serial`, `peer` | the serial number of the certificate, and the client's address |
//!
//! `names` has up to 4 KiB, with up to 255 bytes of each name. The name in `granted_by` is always among them.
//!
//! | outcome | |
//! |---|---|
//! | `granted` | the call may act |
//! | `denied` | the client's role is too low |
//! | `refused` | the reason is missing, longer than 1,024 bytes, or unreadable; or a call of an operation is wrong in another way |
//! | `failed` | the call was granted and failed: a second record, with the error |
//! | `done` | the call of an operation was granted and has a result: a second record |
//! | `cancelled` | the call was granted, and the client cancelled it or its connection ended: a second record, which says whether the call had begun to act |
//!
//! The record goes to the log when the call arrives, before anything else happens. A client that cancels its call, or closes the
//! connection right after it, cannot prevent the record. What a cancelled call began may go on, such as a reload of the configs. A call
//! that a limit of the endpoint refuses never arrives here, and has no record.
//!
//! A granted call acts after its record has left the process for the log's sink. The log never waits for its sink, and drops the records
//! that the sink does not take. If a record has not left within half a second, the call does not act, and its answer is an error that
//! says so. `kill` and `end` alone act all the same: the end of an application is visible anyway, and an operator must be able to end a
//! process whose log is stuck. A call waits for its own record, and for earlier granted calls of the same connection, which act in order.
//! `kill` takes no reason, so its record says "none given". Every other method that changes something needs a reason.
//!
//! A client that is often denied does not fill the log. Over all connections with one certificate, 20 denied or refused calls at once have
//! records of their own, and ten a second after that. Further calls are counted, and answered slowly; a stop answers them at once. Every
//! five seconds, and when the service stops, one record for each client tells the number of these calls (`count`), over how many
//! `seconds`, and by method (`methods`). Denied and refused calls whose records the log did not take are counted there, too.
//!
//! # Limits
//!
//! A client is one certificate here, with all its connections. In addition to the limits of every endpoint ([`Limits`](crate::Limits)), a
//! client may have 32 streams of events and 8 readers of metrics at a time. A reader serves one call at a time, and two calls may wait on
//! a stream. A stream holds up to 1,024 events for a slow client; the oldest are lost, and their number is reported. Metrics come in pieces
//! of up to 256 KiB, and are rendered as they are read. Up to 1,024 levels may be set for a time, over all clients.
//!
//! Work that blocks, such as reading files, runs on threads apart from those of RPC, for at most 20 seconds. Readers share four such
//! threads at a time, operators and administrators two more. One client uses two of them at most. Stack dumps have a thread of their own,
//! and clients that ask at the same time share one dump. So an open connection can find out what hangs when everything else does.
//!
//! # For authors
//!
//! Put methods of your own into an interface and an endpoint of your own ([`rpc_endpoint!`](crate::rpc_endpoint)). Its handlers may check
//! [`Peer::role_now`](crate::Peer::role_now). The interface `RPCService` lists every endpoint that
//! [`rpc_endpoint!`](crate::rpc_endpoint) declares.

mod app;
mod audit;
mod clients;
mod configs;
mod events;
mod gate;
mod health;
mod levels;
mod methods;
mod metrics;
mod offload;
mod operations;
mod reason;
mod runtime;
mod services;
mod stacks;

use std::rc::Rc;
use std::sync::Arc;

use app_core::prelude::*;
use schema::admin_capnp;
use tokio::runtime::Handle;

pub use self::audit::ADMIN_CALL;
use self::audit::Audit;
use self::clients::Clients;
use self::events::EventFeed;
use self::gate::Session;
use self::levels::TemporaryLevels;
pub use self::methods::{METHODS, Method};
use self::offload::Offload;
use self::stacks::Stacks;
use crate::{Bootstrap, Endpoint, text};

pub use crate::ids::APP_RPC_SERVICE_ID;

/// The endpoint of the admin interface.
pub type AdminEndpoint = Endpoint<{ APP_RPC_SERVICE_ID.as_u64() }>;

crate::rpc_endpoint! {
    id: APP_RPC_SERVICE_ID,
    name: "rpc",
    doc: "The admin interface: where it listens, which clients it lets in, and what they may do (`grants`).",
    bootstrap: bootstrap,
    platform: true,
}

/// What all connections of the interface share.
struct Admin {
    app: App,
    service: Service,
    audit: Audit,
    clients: Clients,
    /// The services' runtime. The runtime of a connection's thread ends with the endpoint.
    runtime: Handle,
    offload: Offload,
    stacks: Stacks,
    temporary: TemporaryLevels,
    feed: EventFeed,
}

impl Admin {
    fn app(&self) -> &App {
        &self.app
    }
}

async fn bootstrap(service: Service) -> Result<Bootstrap, Error> {
    let runtime = Handle::current();
    let admin = Arc::new(Admin {
        app: App::of(&service),
        audit: Audit::new(&service),
        clients: Clients::start(&service)?,
        offload: Offload::new(),
        stacks: Stacks::default(),
        temporary: TemporaryLevels::default(),
        feed: EventFeed::follow(&service)?,
        runtime,
        service,
    });
    Ok(Bootstrap::new(move |peer| -> admin_capnp::app::Client {
        let session = Session::new(Arc::clone(&admin), peer.clone());
        session.offer(self::app::AppServer::new(Rc::clone(&session)))
    }))
}

/// An error as the answer to a call.
fn failed(error: &Error) -> capnp::Error {
    capnp::Error::failed(text::short(&error.to_string()))
}

/// A time in an answer: milliseconds since 1970.
fn millis_of(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(std::time::UNIX_EPOCH);
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    since.map_or_else(|before| -millis(before.duration()), millis)
}

/// A duration in an answer: milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A number of things in an answer.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
