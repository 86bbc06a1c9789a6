//! Revocation lists.

use std::time::SystemTime;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::errors::crypto;
use super::{Authority, PkiError, Serial, Validity};

/// A certificate that is not good any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number.
    pub serial: Serial,
    /// Since when.
    pub at: SystemTime,
}

impl Authority {
    /// Makes a revocation list of this authority, PEM: `number` is larger than that of every list before, `validity` is from now
    /// until the next list has to be there. A list past it refuses everybody.
    ///
    /// Peers need a list of every authority in a chain, so a server that trusts an authority with others under it gets the lists of
    /// all of them, one after another.
    ///
    /// # Errors
    /// The validity is none.
    pub fn crl(&self, revoked: &[Revoked], number: u64, validity: Validity) -> Result<String, PkiError> {
        validity.check()?;
        let revoked_certs = revoked.iter().map(|revoked| RevokedCertParams {
            serial_number: SerialNumber::from_slice(revoked.serial.as_bytes()),
            revocation_time: revoked.at.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: validity.not_before.into(),
            next_update: validity.not_after.into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: self.key_id().map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified),
        };
        params.signed_by(&self.issuer()?).and_then(|crl| crl.pem()).map_err(crypto)
    }
}
