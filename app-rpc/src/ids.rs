//! Ids that more than one module of this crate needs.

pub use app_tls::APP_RPC_SERVICE_ID;
