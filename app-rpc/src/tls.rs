//! TLS: who we are, whom we trust, and what is agreed with a peer.
//!
//! TLS 1.3 and 1.2, certificates on both sides, and nothing that carries a verdict over to another connection: no session
//! tickets, no session store, no early data. So a client whose certificate was revoked is refused the next time it connects.

mod authorities;
mod certificate;
mod client;
mod key_pair;
mod refusal;
mod revoked;
mod server;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, ring};

pub use self::authorities::Authorities;
pub(crate) use self::certificate::time;
pub use self::certificate::{Certificate, Purpose};
pub use self::key_pair::{KeyPair, MaterialError};
pub use self::refusal::Refusal;
pub(crate) use self::revoked::{Revocation, Revoked};
pub(crate) use self::{
    client::{client_config, server_name},
    server::{server_config, witnessed},
};

/// The cryptography: ring's, whatever else in the process installs as its default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}
