//! The kind of a private key that can't be used.

use x509_parser::der_parser::asn1_rs::Oid;
use x509_parser::der_parser::der::parse_der;

use crate::MaterialError;
use crate::pem::Encoding;

/// The sizes of RSA keys that can sign, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why the key was refused: its kind or its size, or that it is damaged.
pub(crate) fn error_of(encoding: Encoding, der: &[u8]) -> MaterialError {
    let found = match encoding {
        Encoding::Pkcs1 => rsa(der),
        Encoding::Sec1 => sec1(der),
        _ => pkcs8(der),
    };
    found.unwrap_or(MaterialError::KeyDamaged)
}

fn unsupported(kind: &str) -> MaterialError {
    MaterialError::KeyUnsupported(kind.to_owned())
}

/// `PrivateKeyInfo`: the version, the algorithm with its parameters, the key.
fn pkcs8(der: &[u8]) -> Option<MaterialError> {
    let ([], info) = parse_der(der).ok()? else { return None };
    let [_, algorithm, key, ..] = info.as_sequence().ok()?.as_slice() else { return None };
    let [kind, parameters @ ..] = algorithm.as_sequence().ok()?.as_slice() else { return None };
    let kind = kind.as_oid().ok()?.to_id_string();
    match kind.as_str() {
        "1.2.840.113549.1.1.1" => rsa(key.as_slice().ok()?),
        "1.2.840.10045.2.1" => curve(parameters.first()?.as_oid().ok()),
        "1.2.840.113549.1.1.10" => Some(unsupported("RSA-PSS")),
        "1.2.840.10040.4.1" => Some(unsupported("DSA")),
        "1.3.101.110" => Some(unsupported("X25519")),
        "1.3.101.111" => Some(unsupported("X448")),
        "1.3.101.112" => None,
        "1.3.101.113" => Some(unsupported("Ed448")),
        other if other.starts_with("2.16.840.1.101.3.4.3.") => {
            Some(unsupported("ML-DSA or SLH-DSA (post-quantum)"))
        }
        other => Some(unsupported(&format!("OID {other}"))),
    }
}

/// `ECPrivateKey`: the version, the key, the curve.
fn sec1(der: &[u8]) -> Option<MaterialError> {
    let ([], key) = parse_der(der).ok()? else { return None };
    let [_, _, parameters, ..] = key.as_sequence().ok()?.as_slice() else { return None };
    // The field is tagged explicitly, so its content is an object of its own.
    let (_, named) = parse_der(parameters.as_slice().ok()?).ok()?;
    curve(named.as_oid().ok())
}

fn curve(named: Option<&Oid<'_>>) -> Option<MaterialError> {
    let Some(named) = named else { return Some(unsupported("ECDSA with explicit parameters")) };
    match named.to_id_string().as_str() {
        "1.2.840.10045.3.1.7" | "1.3.132.0.34" => None,
        "1.3.132.0.35" => Some(unsupported("ECDSA P-521")),
        "1.3.132.0.10" => Some(unsupported("ECDSA secp256k1")),
        other => Some(unsupported(&format!("ECDSA on the curve with OID {other}"))),
    }
}

/// `RSAPrivateKey`: the version, the modulus, and more.
fn rsa(der: &[u8]) -> Option<MaterialError> {
    let ([], key) = parse_der(der).ok()? else { return None };
    let [_, modulus, ..] = key.as_sequence().ok()?.as_slice() else { return None };
    let modulus = modulus.as_slice().ok()?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let significant = &modulus[zeros..];
    let bits = significant.len() * 8 - significant.first()?.leading_zeros() as usize;
    if RSA_BITS.contains(&bits) {
        return None;
    }
    Some(if bits < *RSA_BITS.start() {
        MaterialError::KeyWeak(bits)
    } else {
        unsupported(&format!("RSA with {bits} bits"))
    })
}
