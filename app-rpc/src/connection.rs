//! One connection: what the peer may take, and how it ends.
//!
//! capnp-rpc has no bounds of its own, but lets us write the network under it. So every message passes through here, both
//! ways. [`Input`](input) reads with the limits of [`framing`](crate::framing). The [`policy`] says which messages are accepted, and what
//! each costs once it is decoded. The [`Meter`](meter) counts the calls in flight and answers those beyond the limit itself. The
//! [`Outbox`](outbox) bounds what waits to be written. All of them charge what they take to the [`Memory`] of the peer. They meet in
//! [`Control`](control), which is also where a connection is told to end.

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

pub(crate) use self::control::Control;
pub use self::end::End;
#[cfg(test)]
pub(crate) use self::memory::Credit;
pub(crate) use self::memory::Memory;
#[cfg(test)]
use self::network::Network;
pub(crate) use self::refusal::{NOT_EXECUTED, not_executed};
pub(crate) use self::system::{System, run};

#[cfg(test)]
mod tests;
