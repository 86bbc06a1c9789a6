//! The instances that a change applies to.
//!
//! A command that reads asks the first address that answers, because all addresses belong to the same app. A change must not
//! go to a random instance. So it needs one address, or `--all`.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::time::Instant;

use super::look_up;
use crate::contexts::Address;
use crate::failure::{Failure, Status};
use crate::target::Target;

/// Exit statuses from worst to best: changes that may have been made, then changes that were not made.
const WORST_FIRST: [Status; 7] = [
    Status::Unknown,
    Status::Unusable,
    Status::Failed,
    Status::Denied,
    Status::NotReached,
    Status::NotInTime,
    Status::AnswerIsNo,
];

/// The instances of an app, one address for each.
///
/// # Errors
/// A usage error that lists the addresses if there are several and `all` is false.
pub(crate) async fn of(target: &Target, all: bool, deadline: Instant) -> Result<Vec<Address>, Failure> {
    let instances = all_of(&target.addresses, deadline).await;
    if all || instances.len() == 1 {
        return Ok(instances);
    }
    let listed: Vec<_> = instances.iter().map(Address::to_string).collect();
    Err(Failure::new(
        Status::Usage,
        format!(
            "there are several addresses: {}; name one with --address HOST:PORT, or change all with --all",
            listed.join(", ")
        ),
    ))
}

/// The instances behind all these addresses, each once.
pub(crate) async fn all_of(addresses: &[Address], deadline: Instant) -> Vec<Address> {
    let mut instances: Vec<Address> = Vec::new();
    for address in addresses {
        for instance in behind(address, deadline).await {
            if !instances.contains(&instance) {
                instances.push(instance);
            }
        }
    }
    instances
}

async fn behind(address: &Address, deadline: Instant) -> Vec<Address> {
    // The connection reports an unknown host later.
    split(address, &look_up(address, deadline).await.unwrap_or_default())
}

/// What a lookup finds behind an address; `None` if it fails.
pub(crate) async fn found_behind(address: &Address, deadline: Instant) -> Option<Vec<SocketAddr>> {
    look_up(address, deadline).await.ok()
}

/// The instances of an address. A host with at most one IPv4 and one IPv6 address counts as one machine, as `localhost` does.
pub(crate) fn split(address: &Address, found: &[SocketAddr]) -> Vec<Address> {
    let v4 = found.iter().filter(|found| found.is_ipv4()).count();
    if v4 < 2 && found.len() - v4 < 2 {
        return vec![address.clone()];
    }
    each(found)
}

/// An instance for each address of a lookup: those of IPv4, or those of IPv6 if there are no others.
pub(crate) fn each(found: &[SocketAddr]) -> Vec<Address> {
    let v4 = found.iter().any(SocketAddr::is_ipv4);
    let family = found.iter().filter(|found| found.is_ipv4() == v4);
    family.map(|found| Address { host: found.ip().to_string(), port: found.port() }).collect()
}

/// The worse of two exit statuses.
pub(crate) fn worse(one: ExitCode, other: ExitCode) -> ExitCode {
    let rank = |code: ExitCode| {
        let known = WORST_FIRST.iter().position(|status| ExitCode::from(*status) == code);
        if code == ExitCode::SUCCESS { WORST_FIRST.len() } else { known.unwrap_or(0) }
    };
    if rank(other) < rank(one) { other } else { one }
}
