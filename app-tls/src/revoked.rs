//! Revoked certificates of open connections. webpki checks a certificate once, in the handshake.
//!
//! A list names certificates by issuer and serial number. Only a hash of both is kept, because every open connection keeps those
//! of its client's chain. A collision has a chance of one in 2^64. It closes a connection, and the client connects again.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// The certificates that revocation lists name, as hashes.
pub type RevokedSet = Arc<HashSet<u64>>;

fn entry(issuer: &[u8], serial: &[u8]) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    KEYS.hash_one((issuer, &serial[zeros..]))
}

/// The certificates that these lists revoke. Unreadable lists do not get here: reading a config refuses them.
pub(crate) fn named<'a>(lists: impl Iterator<Item = &'a [u8]>) -> RevokedSet {
    let mut named = HashSet::new();
    for list in lists {
        let Ok((_, list)) = CertificateRevocationList::from_der(list) else { continue };
        let issuer = list.issuer().as_raw();
        named.extend(list.iter_revoked_certificates().map(|revoked| entry(issuer, revoked.raw_serial())));
    }
    Arc::new(named)
}

/// Watches the certificates that the client of one connection showed.
pub struct RevocationWatch {
    chain: Box<[u64]>,
    revoked: watch::Receiver<RevokedSet>,
}

impl RevocationWatch {
    /// A watch for a client with this chain. `revoked` has the lists of the server, now and after each reload.
    #[must_use]
    pub fn new(chain: &[CertificateDer<'_>], revoked: watch::Receiver<RevokedSet>) -> Self {
        let parsed = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
        let chain = parsed.map(|(_, parsed)| entry(parsed.issuer().as_raw(), parsed.raw_serial())).collect();
        Self { chain, revoked }
    }

    /// Waits until one of the certificates is revoked, which may be now. Cancel safe.
    pub async fn revoked(mut self) {
        loop {
            {
                let revoked = self.revoked.borrow_and_update();
                if self.chain.iter().any(|shown| revoked.contains(shown)) {
                    return;
                }
            }
            if self.revoked.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
