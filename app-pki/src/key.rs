//! Private keys of authorities and certificates.

use std::fmt;
use std::str::FromStr;

use app_config::SecretBytes;
use app_tls::pem::{self, PemContent};
use rcgen::{PublicKeyData, SignatureAlgorithm};
use zeroize::Zeroize;

use crate::PkiError;
use crate::errors::crypto;

/// The kind of a new key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// ECDSA on P-256, which all software accepts.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::Ed25519];

    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        })
    }
}

impl FromStr for KeyKind {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        let found = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or_else(|| PkiError::KeyKind(text.chars().take(64).collect()))
    }
}

/// A private key. When it is dropped, the copy of rcgen is overwritten, and the copy of ring is not.
pub(super) struct Key(rcgen::KeyPair);

impl Key {
    pub(super) fn generate(kind: KeyKind) -> Result<Self, PkiError> {
        let made = Self(rcgen::KeyPair::generate_for(kind.algorithm()).map_err(crypto)?);
        if kind == KeyKind::Ed25519 { made.in_version_1() } else { Ok(made) }
    }

    /// Converts a new Ed25519 key. ring writes it as PKCS #8 version 2, with the public key, and OpenSSL before 3.2 can't read that.
    fn in_version_1(self) -> Result<Self, PkiError> {
        /// PKCS #8 of Ed25519 up to the 32 bytes of the key (RFC 8410, 7), by version.
        const V1: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        const V2: [u8; 16] = *b"\x30\x51\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        let Some(secret) = self.0.serialized_der().strip_prefix(&V2).and_then(|rest| rest.get(..32)) else {
            return Ok(self);
        };
        let version_1 = SecretBytes::from([&V1[..], secret].concat());
        let read =
            rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&(&version_1[..]).into(), &rcgen::PKCS_ED25519);
        read.map(Self).map_err(crypto)
    }

    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, PkiError> {
        let block = pem::read(pem, PemContent::Key)?.swap_remove(0);
        let read = rcgen::KeyPair::try_from(&block.encoding.private_key(block.der));
        read.map(Self).map_err(|_| PkiError::KeyUnusable)
    }

    /// The key in PEM (PKCS #8).
    pub(super) fn pem(&self) -> SecretBytes {
        SecretBytes::from(self.0.serialize_pem().into_bytes())
    }

    /// The public key, as in certificates.
    pub(super) fn public(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// The key as rcgen needs it.
    pub(super) fn pair(&self) -> &rcgen::KeyPair {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_each_kind_goes_to_text_and_back() {
        for kind in KeyKind::ALL {
            let key = Key::generate(kind).unwrap();
            let again = Key::from_pem(&key.pem()).unwrap();
            assert_eq!(again.public(), key.public());
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("rsa".parse::<KeyKind>(), Err(PkiError::KeyKind("rsa".to_owned())));
        for text in
            [&b""[..], b"x", b"\xff", b"-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"]
        {
            assert!(Key::from_pem(text).is_err());
        }
    }
}
