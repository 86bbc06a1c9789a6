//! The files of a context: certificates and the key. They are read and checked before a connection is made.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use app_config::SecretBytes;
use app_rpc::{Authorities, KeyPair, MaterialError, PemContent, Purpose};

use crate::failure::Failure;

/// Largest file in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

fn bytes(what: &str, path: &Path, private: bool) -> Result<SecretBytes, Failure> {
    let shown = path.display();
    let failed = |error: io::Error| Failure::unusable(format!("{what} {shown} cannot be read: {error}"));
    let mut file = File::open(path).map_err(failed)?;
    // Checks the opened file, because the path may lead to another file by now.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::unusable(format!("{what} {shown} is not a regular file")));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if private && !app_config::file::is_private(&metadata) {
        let why = format!("can be read by other users (mode {mode:04o})");
        return Err(Failure::unusable(format!("{what} {shown} {why}; run chmod 400 {shown}")));
    }
    if metadata.len() > MOST_BYTES {
        return Err(Failure::unusable(format!("{what} {shown} has more than {MOST_BYTES} bytes")));
    }
    if metadata.len() == 0 {
        return Err(Failure::unusable(format!("{what} {shown} is empty")));
    }
    // Enough capacity for the whole file, so that the buffer does not grow and leave copies of a key in memory.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.by_ref().take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(SecretBytes::from(bytes))
}

/// The client's certificate and its key.
pub(super) fn key_pair(key: &Path, cert: &Path) -> Result<KeyPair, Failure> {
    let pair = KeyPair::from_pem(&bytes("key", key, true)?, &bytes("certificate", cert, false)?);
    let pair = pair.map_err(|error| {
        if error == MaterialError::KeyOfAnother {
            let (key, cert) = (key.display(), cert.display());
            return Failure::unusable(format!("key {key} does not belong to certificate {cert}"));
        }
        let (what, path) = if error.of() == PemContent::Key { ("key", key) } else { ("certificate", cert) };
        Failure::unusable(format!("{what} {}: {error}", path.display()))
    })?;
    check(&pair, cert, SystemTime::now())?;
    Ok(pair)
}

/// Checks whether the certificate can be used now. A server would refuse a bad one without these details.
pub(super) fn check(pair: &KeyPair, cert: &Path, now: SystemTime) -> Result<(), Failure> {
    let (shown, certificate) = (cert.display(), pair.certificate());
    // A certificate cannot contain a date after the year 9999, so this format always works.
    let at = humantime::format_rfc3339_seconds;
    if certificate.not_after < now {
        let end = at(certificate.not_after);
        return Err(Failure::unusable(format!(
            "certificate {shown} expired at {end}; issue a new one (appctl pki issue --help)"
        )));
    }
    if certificate.not_before > now {
        let begin = at(certificate.not_before);
        return Err(Failure::unusable(format!(
            "certificate {shown} is not valid before {begin}; check the clock of this machine"
        )));
    }
    if !certificate.serves(Purpose::Client) {
        return Err(Failure::unusable(format!(
            "certificate {shown} is for servers; use one for clients (extended key usage clientAuth)"
        )));
    }
    Ok(())
}

/// The authorities whose servers the client accepts.
pub(super) fn authorities(ca: &Path, crl: Option<&Path>) -> Result<Authorities, Failure> {
    let certificates = bytes("authorities", ca, false)?;
    let lists = crl.map(|crl| bytes("revocation list", crl, false)).transpose()?;
    Authorities::from_pem(&certificates, lists.as_deref().unwrap_or_default()).map_err(|error| match crl {
        Some(crl) if error.of() == PemContent::Crls => {
            Failure::unusable(format!("revocation list {}: {error}", crl.display()))
        }
        _ => Failure::unusable(format!("authorities {}: {error}", ca.display())),
    })
}
