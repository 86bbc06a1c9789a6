//! The certificates of the system: none, on purpose.
//!
//! It stands for the crate of this name from crates.io, which `async-nats` calls before each handshake, also when it was given a
//! config of TLS. That crate reads every certificate of the system, and fails on a file that it can't read. Here only the configured
//! authority is trusted, so there is nothing to read.

use std::convert::Infallible;

use rustls_pki_types::CertificateDer;

/// What was found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CertificateResult {
    /// The certificates: none.
    pub certs: Vec<CertificateDer<'static>>,
    /// What could not be read: nothing.
    pub errors: Vec<Infallible>,
}

/// No certificates.
#[must_use]
pub fn load_native_certs() -> CertificateResult {
    CertificateResult::default()
}
