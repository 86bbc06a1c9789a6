//! The admin interface: what an operator may ask of a running application, and tell it.
//!
//! Linking this crate installs it, as the service `rpc` with the id [`APP_RPC_SERVICE_ID`]; it listens when that has a config, an
//! `RPCServerSpec`. The interface is in `schema/capnp/admin.capnp`: the methods that the original had, with their ids and ordinals,
//! and behind them those of this platform. `appctl` is its client; [`METHODS`] is the list of what it offers.
//!
//! # Who may do what
//!
//! A client is known by the names (DNS) in its certificate. The config of the service has `grants`, which give a role to a name:
//!
//! ```json
//! { "grants": [ { "name": "deploy.example.com", "role": "operate" }, { "name": "oncall.example.com", "role": "admin" } ] }
//! ```
//!
//! | role | whose | what |
//! |---|---|---|
//! | `read` | every client's that is let in | looks: identity, services, health, levels, metrics, configs, events |
//! | `operate` | whom the grants name | changes how the application runs: levels, health checks, reloads, restarts of services; dumps stacks |
//! | `admin` | whom the grants name | ends the application |
//!
//! Each method has its role in one table ([`METHODS`]), and each call passes one check ([`Role`](crate::Role) against role), also
//! calls of what was handed out before. The role is looked up for every call: a reload of the config with other grants counts at
//! once, for connections that are open too. A call that is denied is answered with an error that begins with `denied: ` and names
//! the method, the role that it needs, the one that the client has, and where to grant it. A client that has many calls denied in a
//! row gets those answers at a slow pace, over all its connections.
//!
//! # What is on record
//!
//! Every call that needs more than `read` is a log record of the event [`ADMIN_CALL`] (`admin_call`), whether it is granted or not.
//! Its level is `info` for a granted call, and `warn` otherwise. It is written whatever log levels are set to:
//!
//! | key | |
//! |---|---|
//! | `method`, `target`, `reason` | what the client called, on what, and why; `target` and `reason` have up to 1,024 bytes |
//! | `outcome` | see below |
//! | `role`, `granted_by` | the client's role, and the name in its certificate that the role was granted to; `null` without a grant |
//! | `role_needed` | the role that the method needs |
//! | `names`, `names_left_out` | the names in the client's certificate, as a list, and how many more there are |
//! | `serial`, `peer` | the serial number of the certificate, and the client's address |
//!
//! `names` has up to 4 KiB, with up to 255 bytes of each name. The name in `granted_by` is always among them.
//!
//! | outcome | |
//! |---|---|
//! | `granted` | it goes on to act |
//! | `denied` | the client's role is too low |
//! | `refused` | the reason is missing, or longer than 1,024 bytes |
//! | `failed` | it was granted, and what it did failed: a second record, with the error |
//! | `cancelled` | it was granted, and the client cancelled it or its connection ended: a second record, which says whether it had begun |
//!
//! The record is handed to the log when the call arrives, before anything else happens. A client that cancels its call, or closes the
//! connection right behind it, prevents no record. What a cancelled call began may go on: a reload of the configs does. A call that a
//! limit of the endpoint refuses never arrives here, and has no record.
//!
//! A granted call acts after its record has left the process for the log's sink. The log never waits for its sink, and drops what the
//! sink does not take. A call whose record has not left within half a second does not act: it is answered with an error that says so.
//! `kill` and `end` alone act all the same: that an application ends is seen anyway, and a process whose log is stuck has to be ended
//! somehow. Each call waits for its own record only, and for granted calls of the same connection, which act in the order in which they
//! came. `kill` of the original takes no reason, so its record says "none given"; every other method that changes something needs one.
//!
//! A client that is denied often does not fill the log. 20 denied or refused calls at once have records of their own, and ten a second
//! after that, over all connections with one certificate. The others are counted, and answered slowly; a stop answers them at once.
//! Every five seconds, and when the service stops, one record for each client tells how many they were (`count`), in how many
//! `seconds`, and by method (`methods`). Calls that were turned down while the log took no records are counted there too.
//!
//! # What a client may take
//!
//! A client is a certificate here, with all its connections. Beside the limits of every endpoint ([`Limits`](crate::Limits)), a client
//! may have 32 streams of events and 8 readers of metrics at a time. One call at a time reads of a reader, and two may wait on a stream.
//! A stream holds up to 1,024 events for a client that does not ask; the oldest are lost, and their number is told. Metrics are read in
//! pieces of up to 256 KiB, and rendered as they are read. Up to 1,024 levels may be set for a time.
//!
//! What blocks, such as reading files, runs on other threads than those of RPC, within 20 seconds: four at a time for readers, and two
//! more for operators and administrators. One client has two of these turns at most. Stacks are dumped by a thread of their own, once
//! for all who ask at the same time: also when everything else hangs, so a connection that is open by then can ask what hangs.
//!
//! # For authors
//!
//! A method of one's own goes into an interface and an endpoint of one's own ([`rpc_endpoint!`](crate::rpc_endpoint)), which may ask
//! [`Peer::role_now`](crate::Peer::role_now). `RPCService` of this interface lists every endpoint that
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
mod reason;
mod runtime;
mod services;
mod stacks;

use std::rc::Rc;
use std::sync::Arc;

use app_core::prelude::*;
use schema::admin_capnp;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub use self::audit::ADMIN_CALL;
use self::audit::Audit;
use self::clients::Clients;
use self::events::Happenings;
use self::gate::Session;
pub use self::methods::{METHODS, Method};
use self::offload::Offload;
use self::stacks::Stacks;
use crate::{Bootstrap, Endpoint, text};

pub use crate::ids::APP_RPC_SERVICE_ID;

/// The endpoint of the admin interface.
pub type AdminEndpoint = Endpoint<{ APP_RPC_SERVICE_ID.as_u64() }>;

/// Levels that may be set for a time, and have not gone back.
const MAX_TEMPORARY: usize = 1024;

crate::rpc_endpoint! {
    id: APP_RPC_SERVICE_ID,
    name: "rpc",
    doc: "The admin interface: where it listens, whose clients are let in, and what they may do (`grants`).",
    bootstrap: bootstrap,
    platform: true,
}

/// What all connections share.
struct Admin {
    service: Service,
    audit: Audit,
    clients: Clients,
    /// The application's runtime: that of a connection ends with the endpoint.
    runtime: Handle,
    offload: Offload,
    stacks: Stacks,
    /// Levels that may be set for a time.
    temporary: Arc<Semaphore>,
    happenings: Happenings,
}

impl Admin {
    fn app(&self) -> &App {
        self.service.app()
    }
}

async fn bootstrap(service: Service) -> Result<Bootstrap, Error> {
    let runtime = Handle::current();
    let admin = Arc::new(Admin {
        audit: Audit::new(&service),
        clients: Clients::start(&service)?,
        offload: Offload::new(),
        stacks: Stacks::default(),
        temporary: Arc::new(Semaphore::new(MAX_TEMPORARY)),
        happenings: Happenings::follow(&service)?,
        runtime,
        service,
    });
    Ok(Bootstrap::new(move |peer| -> admin_capnp::app::Client {
        let session = Session::new(Arc::clone(&admin), peer.clone());
        session.offer(self::app::AppServer::new(Rc::clone(&session)))
    }))
}

/// The error of a call that failed, for its caller.
fn failed(error: &Error) -> capnp::Error {
    capnp::Error::failed(text::short(&error.to_string()))
}

/// Milliseconds since 1970, as answers have times.
fn millis_of(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(std::time::UNIX_EPOCH);
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    since.map_or_else(|before| -millis(before.duration()), millis)
}

/// A time in milliseconds, as answers have it.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A number of things, as answers have it.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
