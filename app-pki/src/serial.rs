//! Serial numbers of certificates.

use std::fmt;
use std::str::FromStr;

use app_tls::crypto_provider;

use crate::PkiError;

/// The most bytes of a serial number (RFC 5280, 4.1.2.2).
const MAX_BYTES: usize = 20;
/// The bytes of the serial numbers that are made here.
const BYTES: usize = 16;

/// The serial number of a certificate: a positive number, in hex without leading zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// A new serial number of 16 bytes, 126 bits of them random.
    ///
    /// # Errors
    /// [`PkiError::Crypto`]: the system gives no random numbers.
    pub fn random() -> Result<Self, PkiError> {
        let mut bytes = [0; BYTES];
        let filled = crypto_provider().secure_random.fill(&mut bytes);
        filled.map_err(|_| PkiError::Crypto("the system gives no random numbers".to_owned()))?;
        // The number is positive without a leading zero byte, and always has the same length.
        bytes[0] = (bytes[0] & 0x7f) | 0x40;
        Ok(Self(bytes.to_vec()))
    }

    /// The serial number with these bytes of a certificate, most significant byte first.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes[zeros.min(bytes.len().saturating_sub(1))..].to_vec())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Hex as programs print it: with upper or lower case, with colons, or with 0x at the start.
impl FromStr for Serial {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        let wrong = || PkiError::Serial(text.chars().take(64).collect());
        let digits: String = text.strip_prefix("0x").unwrap_or(text).split(':').collect();
        if digits.is_empty() || digits.len() > 2 * MAX_BYTES + 2 {
            return Err(wrong());
        }
        let even = if digits.len().is_multiple_of(2) { digits } else { format!("0{digits}") };
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let digits_only = even.bytes().all(|digit| digit.is_ascii_hexdigit());
        let bytes: Option<Vec<u8>> =
            digits_only.then(|| even.as_bytes().chunks(2).map(byte).collect()).flatten();
        let serial = Self::from_bytes(&bytes.ok_or_else(wrong)?);
        if serial.0.len() > MAX_BYTES { Err(wrong()) } else { Ok(serial) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn random_serials_differ_are_positive_and_read_back() {
        let serials: BTreeSet<_> = (0..100).map(|_| Serial::random().unwrap()).collect();
        assert_eq!(serials.len(), 100);
        for serial in serials {
            assert!(serial.0.len() == BYTES && serial.0[0] < 0x80 && serial.0[0] > 0);
            assert_eq!(serial.to_string().parse(), Ok(serial));
        }
    }

    #[test]
    fn a_serial_is_the_same_however_it_is_written() {
        let expected = Serial(vec![0x1a, 0x2b]);
        for text in ["1a2b", "1A2B", "0x1a2b", "1A:2B", "00:1a:2b", "001a2b"] {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
        }
        assert_eq!("abc".parse(), Ok(Serial(vec![0x0a, 0xbc])));
        assert_eq!("0".parse(), Ok(Serial(vec![0])));
        for text in ["", "0x", "1g", "-1", "+1", "1 2", "é1", &"1".repeat(41), &"1".repeat(10_000)] {
            assert!(text.parse::<Serial>().is_err(), "{text}");
        }
        assert_eq!(Serial::from_bytes(&[]).to_string(), "");
    }
}
