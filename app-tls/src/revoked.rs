//! Which certificates were revoked, for connections that are open already: a handshake asks webpki, and only once.
//!
//! What a list names is an issuer and a serial number. Of either only a hash is kept, since every open connection keeps those of
//! its client's chain. Two that meet by chance, one in 2^64, would close a connection that its client makes anew.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// What revocation lists name, hashed.
pub type RevokedSet = Arc<HashSet<u64>>;

fn entry(issuer: &[u8], serial: &[u8]) -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    KEYS.hash_one((issuer, &serial[zeros..]))
}

/// What these lists name. One that can't be read names nothing; it was refused where configs are read.
pub(crate) fn named<'a>(lists: impl Iterator<Item = &'a [u8]>) -> RevokedSet {
    let mut named = HashSet::new();
    for list in lists {
        let Ok((_, list)) = CertificateRevocationList::from_der(list) else { continue };
        let issuer = list.issuer().as_raw();
        named.extend(list.iter_revoked_certificates().map(|revoked| entry(issuer, revoked.raw_serial())));
    }
    Arc::new(named)
}

/// What becomes known of the certificates that the client of one connection showed.
pub struct RevocationWatch {
    chain: Box<[u64]>,
    revoked: watch::Receiver<RevokedSet>,
}

impl RevocationWatch {
    /// Of a client that showed this chain, to a server whose lists these are.
    #[must_use]
    pub fn new(chain: &[CertificateDer<'_>], revoked: watch::Receiver<RevokedSet>) -> Self {
        let parsed = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
        let chain = parsed.map(|(_, parsed)| entry(parsed.issuer().as_raw(), parsed.raw_serial())).collect();
        Self { chain, revoked }
    }

    /// Waits until one of them is revoked; that may be now. Cancel safe.
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
