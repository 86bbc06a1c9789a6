//! Message-driven services: commands are closures that run one after another on the state that they own.

mod channel;
mod server;

pub use self::{
    channel::{Command, CommandReceiver, ServiceCommandChannel},
    server::{CommandServer, CommandServerBuilder},
};

#[cfg(test)]
mod tests;
