//! Message-driven services: commands are closures that run one after another on a state that a server owns.

mod channel;
mod deadline;
mod inline;
mod list;
mod meter;
mod server;
mod server_state;
mod state_cell;
mod sync;
mod times;

pub(crate) use self::list::CommandServers;
pub use self::{
    channel::{Command, CommandReceiver, ServiceCommandChannel},
    deadline::DEFAULT_CALL_DEADLINE,
    list::CommandServerStatus,
    server::{CommandServer, CommandServerBuilder},
    times::TimeHistogram,
};

#[cfg(test)]
mod tests;
