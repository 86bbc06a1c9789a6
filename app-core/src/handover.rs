//! A process hands its listeners to the process that replaces it (`--handover PATH`).
//!
//! The running process listens on a Unix socket. A starting process of the same app asks there for the listeners:
//!
//! | the starting process | the running process |
//! |---|---|
//! | `ask`: who it is | `offer`: names, addresses and descriptors of its listeners; or `refused` |
//! | starts its services, and accepts nothing | serves |
//! | `ready` | `go`; or `refused` |
//! | `accepting`, and accepts | accepts nothing more, and stops as on SIGTERM |
//!
//! Invariants:
//!
//! 1. Only a process that holds the lock `PATH.lock` looks at the socket or replaces it. So one handover happens at a time.
//! 2. The listeners belong to exactly one process. `accepting` decides: they belong to the running process until that message is in the
//!    queue of its socket, and to the starting process from then on. If the starting process fails, hangs or is killed before that,
//!    the running one goes on. After that it stops, whatever becomes of the other.
//! 3. To give up, the running process first closes the receiving side of its socket, and then reads what came before. The system puts
//!    the two in an order. So `accepting` is either read, or it fails at its sender.
//! 4. A running process that goes on says `refused` before it closes the socket. A starting process that finds the socket closed reads
//!    what was sent before. Without a `refused` the running process has ended, and the listeners belong to the starting one.
//! 5. The running process has the shorter deadlines, so it decides. A starting process without an answer gives up.
//! 6. Both belong to the same user, by the credentials of the socket.
//! 7. The lock file stays. Removing it would let two processes hold a lock each.

mod lock;
mod path;
mod running;
mod starting;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use self::{
    path::{HandoverPath, parse_path},
    running::HandoverSocket,
    starting::Handover,
};
