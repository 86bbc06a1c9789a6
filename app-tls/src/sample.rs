//! Samples: certificates of peers that do not exist, to ask webpki whether it would accept such a peer.
//!
//! A check of a config has no private key of an authority, so nothing can sign a sample. The signature algorithm of a sample has
//! an identifier of its own, and [`provider`] accepts it without a look at the signature. webpki checks everything else: the
//! chain, the purpose, the name constraints, and each revocation list with its real signature. Nothing from a network is ever
//! verified with that provider.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor,
    alg_id,
};

use crate::crypto_provider;

/// The signature algorithm of samples: the object identifier 1.3.6.1.4.1.32473.1, of the arc for examples (RFC 5612).
const UNSIGNED: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x81, 0xfd, 0x59, 0x01];
/// The public key of an assumed authority.
const ASSUMED: &[u8] = b"an authority that peers trust";
/// The kinds of public keys that authorities may have.
const KEYS: [AlgorithmIdentifier; 4] =
    [alg_id::ECDSA_P256, alg_id::ECDSA_P384, alg_id::ED25519, alg_id::RSA_ENCRYPTION];
/// The serial number of samples. Authorities make random ones, or count from 1.
const SERIAL: [u8; 20] = *b"\x5aserial of a sample.";

/// Accepts every signature of a sample.
#[derive(Debug)]
struct Unsigned(AlgorithmIdentifier);

impl SignatureVerificationAlgorithm for Unsigned {
    fn verify_signature(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(UNSIGNED)
    }
}

/// Accepts every signature of an assumed authority, and verifies all others.
#[derive(Debug)]
struct Assuming(&'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for Assuming {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if key == ASSUMED { Ok(()) } else { self.0.verify_signature(key, message, signature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }
}

/// The cryptography of [`tls::provider`], which also accepts samples and assumed authorities.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let real = crypto_provider();
        let WebPkiSupportedAlgorithms { all, mapping } = real.signature_verification_algorithms;
        // rustls needs references that live for ever. These few are made once in a process.
        let assuming = all
            .iter()
            .map(|one| &*Box::leak(Box::new(Assuming(*one))) as &dyn SignatureVerificationAlgorithm);
        let unsigned =
            KEYS.map(|key| &*Box::leak(Box::new(Unsigned(key))) as &dyn SignatureVerificationAlgorithm);
        let all = assuming.chain(unsigned).collect::<Vec<_>>().leak();
        let signature_verification_algorithms = WebPkiSupportedAlgorithms { all, mapping };
        Arc::new(CryptoProvider { signature_verification_algorithms, ..(*real).clone() })
    });
    Arc::clone(&PROVIDER)
}

/// An assumed authority with this name (DER): one anchor for each kind of key. [`provider`] accepts all its signatures.
pub(crate) fn assumed_anchors(name: &[u8]) -> Vec<TrustAnchor<'static>> {
    let anchor = |key: AlgorithmIdentifier| TrustAnchor {
        subject: contents(name).to_vec().into(),
        subject_public_key_info: [sequence(&[&key]), bits(ASSUMED)].concat().into(),
        name_constraints: None,
    };
    KEYS.map(anchor).into()
}

/// A certificate that this issuer (a name in DER) might have issued for a peer with this public key (DER). It is valid at `now`.
pub(crate) fn certificate(
    issuer: &[u8],
    name: Option<&str>,
    public_key: &[u8],
    now: SystemTime,
) -> CertificateDer<'static> {
    let day = Duration::from_secs(24 * 3600);
    let algorithm = sequence(&[UNSIGNED]);
    let version = tlv(0xa0, &[&tlv(0x02, &[&[2]])]);
    let validity = sequence(&[&moment(now - day), &moment(now + day)]);
    let names = name.map(|name| {
        let names = sequence(&[&tlv(0x82, &[name.as_bytes()])]);
        let id = [0x06, 0x03, 0x55, 0x1d, 0x11];
        tlv(0xa3, &[&sequence(&[&sequence(&[&id, &tlv(0x04, &[&names])])])])
    });
    let content = sequence(&[
        &version,
        &tlv(0x02, &[&SERIAL]),
        &algorithm,
        issuer,
        &validity,
        &sequence(&[]),
        public_key,
        names.as_deref().unwrap_or_default(),
    ]);
    sequence(&[&content, &algorithm, &bits(b"none")]).into()
}

/// A public key (DER) without a private key.
pub(crate) fn any_key() -> Vec<u8> {
    sequence(&[&sequence(&[&alg_id::ED25519]), &bits(&[7; 32])])
}

/// An ASN.1 value: its tag, its length, and its parts one after another.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match (length, u8::try_from(length), u8::try_from(significant.len())) {
        (..=0x7f, Ok(short), _) => der.push(short),
        (_, _, count) => {
            der.push(0x80 | count.unwrap_or_default());
            der.extend_from_slice(significant);
        }
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
    der
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content])
}

/// A `GeneralizedTime`, to the second.
fn moment(at: SystemTime) -> Vec<u8> {
    let text = humantime::format_rfc3339_seconds(at).to_string();
    let digits: String = text.chars().filter(char::is_ascii_digit).chain(['Z']).collect();
    tlv(0x18, &[digits.as_bytes()])
}

/// The content of an ASN.1 value, without its tag and length.
fn contents(der: &[u8]) -> &[u8] {
    let header = match der.get(1) {
        Some(length @ 0x80..) => 2 + usize::from(length & 0x7f),
        _ => 2,
    };
    der.get(header..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::Certificate;

    #[test]
    fn a_sample_is_read_as_a_certificate_of_its_issuer() {
        let issuer =
            sequence(&[&tlv(0x31, &[&sequence(&[&[0x06, 0x03, 0x55, 0x04, 0x03], &tlv(0x0c, &[b"top"])])])]);
        let long = "x".repeat(200);
        for name in [None, Some("a.test"), Some(&*long)] {
            let now = SystemTime::now();
            let made = certificate(&issuer, name, &any_key(), now);
            let (rest, parsed) = X509Certificate::from_der(&made).unwrap();
            assert!(rest.is_empty());
            assert_eq!(parsed.issuer().as_raw(), issuer);
            let read = Certificate::parse(&made).unwrap();
            assert_eq!((read.issuer.as_str(), read.names.first().map(String::as_str)), ("CN=top", name));
            assert!(read.not_before < now && now < read.not_after && !read.is_authority);
        }
        assert_eq!(contents(&sequence(&[&[1; 300]])), [1; 300]);
    }
}
