//! TLS: who we are, whom we trust, and what is agreed with a peer.
//!
//! TLS 1.3 and 1.2, certificates on both sides, and nothing that carries a verdict over to another connection: no session
//! tickets, no session store, no early data. So a client whose certificate was revoked is refused the next time it connects.
//!
//! The cryptography is ring's. rustls offers ring and aws-lc-rs. ring builds with a C compiler alone, and in a third of the time.
//! aws-lc-rs has post-quantum key exchange. The choice is one feature in the root manifest and [`provider`].

mod alert;
mod authorities;
mod certificate;
mod client;
pub(crate) mod clock;
mod errors;
mod judge;
mod key_kind;
mod key_pair;
mod lists;
pub(crate) mod pem;
mod probe;
mod refusal;
mod revoked;
mod sample;
mod server;
mod verdict;
mod witness;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, ring};

pub(crate) use self::alert::said_by_alert;
pub use self::authorities::Authorities;
pub use self::certificate::{Certificate, Purpose};
pub(crate) use self::certificate::{time, valid_until};
pub use self::errors::MaterialError;
pub(crate) use self::judge::{Material, judge};
pub use self::key_pair::KeyPair;
pub(crate) use self::key_pair::key_of;
pub use self::pem::{PemError, PemFault, Position, Wanted};
pub use self::refusal::Refusal;
pub(crate) use self::revoked::{Revocation, Revoked};
pub(crate) use self::{
    client::{client_config, server_name},
    server::server_config,
    witness::{Shown, witnessed},
};

/// Certificates that a peer is shown. rustls takes no longer chain either.
const MAX_CHAIN: usize = 8;

/// The cryptography: ring's, whatever else in the process installs as its default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}
