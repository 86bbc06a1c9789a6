//! Command servers: closures that run one after another on a state that the server owns.

mod channel;
mod deadline;
mod inline;
mod list;
mod meter;
mod queue;
mod server;
mod server_state;
mod state_cell;
mod sync;
mod times;

pub(crate) use self::list::CommandServers;
pub use self::{
    channel::ServiceCommandChannel,
    deadline::DEFAULT_CALL_DEADLINE,
    list::CommandServerStatus,
    queue::{Command, CommandReceiver},
    server::{CommandServer, CommandServerBuilder, ServiceCommands},
    times::TimeHistogram,
};

#[cfg(test)]
mod tests;
