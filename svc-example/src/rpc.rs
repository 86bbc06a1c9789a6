//! The service over RPC: an endpoint that serves its interface, and the client of it, for services in other processes.

mod client;
mod server;

pub use self::{
    client::{QuotaClient, client},
    server::QUOTA_RPC,
};
