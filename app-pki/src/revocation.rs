//! What a revocation list says of one certificate.

use std::time::SystemTime;

use crate::Serial;

/// A revoked certificate, as a revocation list names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number.
    pub serial: Serial,
    /// When it was revoked.
    pub at: SystemTime,
}
