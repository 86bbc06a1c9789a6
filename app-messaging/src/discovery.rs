//! Discovery: each instance answers NATS' services protocol (ADR-32), and asks the others.
//!
//! The protocol is that of the `micro` libraries, so `nats micro info` and its like show the applications too. An application is one
//! service, and a process is one instance of it. `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` ask all, with the name of a service its
//! instances, and with an id one of them.

mod answers;
mod ask;
mod instance;
mod own;
mod own_address;
mod responders;

pub(crate) use self::answers::answer_requests;
pub(crate) use self::ask::Asker;
pub use self::instance::{Instance, InstanceEndpoint};
pub(crate) use self::responders::Responders;

use app_ids::{AppId, DomainId};

/// What the subjects of the protocol begin with.
const PREFIX: &str = "$SRV";

/// What can be asked.
const VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// The name of an application.
fn service_name(domain: DomainId, app: AppId) -> String {
    format!("op-{domain}-{app}")
}

#[cfg(test)]
mod tests;
