//! One connection: the limits of the peer, and the end of the connection.
//!
//! capnp-rpc has no limits, but its network layer can be replaced. So every message passes through this module in both directions:
//!
//! - [`Input`](input) reads with the limits of [`framing`](crate::framing).
//! - The [`policy`] decides which messages are accepted, and what each costs once it is decoded.
//! - The [`CallMeter`](meter) counts the calls in flight, and answers those beyond the limit itself.
//! - The [`Outbox`](outbox) limits the bytes that wait to be written.
//!
//! All of them charge the [`Memory`] of the peer. [`Control`](control) joins them, and ends the connection.

mod control;
mod end;
mod input;
mod memory;
mod meter;
mod network;
mod outbox;
mod output;
mod policy;
mod refusal;
mod system;
mod watch;

pub(crate) use self::control::Control;
pub use self::end::End;
#[cfg(test)]
pub(crate) use self::memory::Credit;
pub(crate) use self::memory::Memory;
pub(crate) use self::meter::outcome_of;
#[cfg(test)]
use self::network::TwoPartyNetwork;
pub(crate) use self::refusal::{NOT_EXECUTED, not_executed, too_late};
pub(crate) use self::system::{System, run};
pub(crate) use self::watch::{CallOutcome, CallWatch, MethodKey, RefusedCall};

#[cfg(test)]
mod tests;
