//! The service over RPC: the endpoint, and the client for services in other processes.

mod client;
mod server;

pub use self::client::{QuotaClient, client};
