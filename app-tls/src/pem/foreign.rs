//! Recognizes files of other formats, mostly by their first bytes.

use super::PemFault;

/// The format of a text that is not PEM. `None` if it may be PEM.
pub(super) fn recognize(text: &[u8]) -> Option<PemFault> {
    let begins = |with: &[&[u8]]| with.iter().any(|with| text.starts_with(with));
    let has_marker = text.windows(5).any(|part| part == b"-----");
    if text.trim_ascii().is_empty() {
        return Some(PemFault::Blank);
    }
    if begins(&[b"\xff\xfe", b"\xfe\xff", b"-\0-\0", b"\0-\0-"]) {
        return Some(PemFault::Utf16);
    }
    if begins(&[b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----"]) {
        return Some(PemFault::Age);
    }
    if begins(&[b"PuTTY-User-Key-File-"]) {
        return Some(PemFault::Putty);
    }
    if begins(&[b"ssh-rsa ", b"ssh-ed25519 ", b"ecdsa-sha2-"]) {
        return Some(PemFault::Ssh);
    }
    if begins(&[b"\xfe\xed\xfe\xed"]) {
        return Some(PemFault::Jks);
    }
    if is_der(text) {
        return Some(if is_pkcs12(text) { PemFault::Pkcs12 } else { PemFault::Der });
    }
    if text.contains(&0) || (!has_marker && std::str::from_utf8(text).is_err()) {
        return Some(PemFault::Binary);
    }
    if has_marker && !text.contains(&b'\n') && text.windows(2).any(|part| part == b"\\n") {
        return Some(PemFault::EscapedLineBreaks);
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(byte);
    let bare = !has_marker && text.trim_ascii().starts_with(b"MI") && text.iter().all(is_base64);
    bare.then_some(PemFault::BareBase64)
}

/// Whether this is a DER sequence with the length of the text, or nearly: some editors append a line break.
fn is_der(text: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = text else { return false };
    let (header, length) = match *length {
        length @ 0..=0x7f => (2, usize::from(length)),
        0x81 if !rest.is_empty() => (3, usize::from(rest[0])),
        0x82 if rest.len() >= 2 => (4, usize::from(rest[0]) << 8 | usize::from(rest[1])),
        // An indefinite length, or one that is longer than any config: some PKCS #12 files.
        0x80 | 0x83 | 0x84 => return true,
        _ => return false,
    };
    text.len().abs_diff(header + length) <= 2
}

/// Whether a DER sequence is a PKCS #12 file: it begins with the number 3, and certificates and keys do not.
fn is_pkcs12(text: &[u8]) -> bool {
    text.get(..12).is_some_and(|begin| begin.windows(3).any(|part| part == [0x02, 0x01, 0x03]))
}
