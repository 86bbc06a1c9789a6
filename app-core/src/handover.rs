//! A process hands its listeners to the process that replaces it (`--handover PATH`).
//!
//! The running process listens on a Unix socket. A starting process of the same app asks there for the listeners:
//!
//! | the starting process | the running process |
//! |---|---|
//! | `ask`: who it is | `offer`: names, addresses and descriptors of its listeners; or `refused` |
//! | starts its services, and accepts nothing | serves |
//! | `ready` | `go` |
//! | accepts, and says `accepting` | accepts nothing more, and stops as on SIGTERM |
//!
//! Invariants:
//!
//! 1. Only a process that holds the lock `PATH.lock` looks at the socket or replaces it. So one handover happens at a time.
//! 2. The running process accepts until the starting one has said that it does. If the starting process fails, hangs or is killed
//!    before that, the running one goes on.
//! 3. Both belong to the same user, by the credentials of the socket.
//! 4. The lock file stays. Removing it would let two processes hold a lock each.

mod lock;
mod path;
mod running;
mod starting;
mod wire;

pub(crate) use self::{
    path::{HandoverPath, parse_path},
    running::HandoverSocket,
    starting::Handover,
};
