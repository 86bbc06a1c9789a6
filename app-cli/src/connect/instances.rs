//! The instances that a changing command is for.
//!
//! A reading command asks the first address that answers, since all of them tell about the same app. A change must not go to
//! a random instance. So it needs one address, or `--all`.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::time::Instant;

use super::look_up;
use crate::contexts::Address;
use crate::failure::{Failure, Status};
use crate::target::Target;

/// Exit statuses, the worst first: what may have happened, then what did not.
const WORST_FIRST: [Status; 5] =
    [Status::Unknown, Status::Failed, Status::Denied, Status::NotReached, Status::Unwell];

/// The instances of an app, an address each.
///
/// # Errors
/// A usage error that lists the addresses when there are several, unless `all` of them are meant.
pub(crate) async fn of(target: &Target, all: bool, deadline: Instant) -> Result<Vec<Address>, Failure> {
    let mut instances: Vec<Address> = Vec::new();
    for address in &target.addresses {
        for instance in behind(address, deadline).await {
            if !instances.contains(&instance) {
                instances.push(instance);
            }
        }
    }
    if all || instances.len() == 1 {
        return Ok(instances);
    }
    let listed: Vec<_> = instances.iter().map(Address::to_string).collect();
    Err(Failure::new(
        Status::Usage,
        format!(
            "there are several addresses: {}; say which with --address HOST:PORT, or change all with --all",
            listed.join(", ")
        ),
    ))
}

/// The instances behind an address. A name with one address of each family is one machine, as `localhost` mostly is.
async fn behind(address: &Address, deadline: Instant) -> Vec<Address> {
    // A name that is not known is told when it is connected to.
    let found = look_up(address, deadline).await.unwrap_or_default();
    let (v4, v6): (Vec<_>, Vec<_>) = found.into_iter().partition(SocketAddr::is_ipv4);
    if v4.len() < 2 && v6.len() < 2 {
        return vec![address.clone()];
    }
    let family = if v4.is_empty() { v6 } else { v4 };
    family.iter().map(|found| Address { host: found.ip().to_string(), port: found.port() }).collect()
}

/// The worse of two exit statuses.
pub(crate) fn worse(one: ExitCode, other: ExitCode) -> ExitCode {
    let rank = |code: ExitCode| {
        let known = WORST_FIRST.iter().position(|status| ExitCode::from(*status) == code);
        if code == ExitCode::SUCCESS { WORST_FIRST.len() } else { known.unwrap_or(0) }
    };
    if rank(other) < rank(one) { other } else { one }
}
