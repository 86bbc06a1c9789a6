//! Ids that more than one module of this crate uses.

pub use app_tls::APP_RPC_SERVICE_ID;
