//! Message-driven services: commands are closures that run one after another on the state that they own.

mod at_once;
mod channel;
mod deadline;
mod desk;
mod list;
mod meter;
mod server;
mod sync;
mod tenure;
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
