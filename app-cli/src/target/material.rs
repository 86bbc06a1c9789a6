//! The files of a context: certificates and the key, read and checked before anybody is connected to.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use app_config::SecretBytes;
use app_rpc::{Authorities, KeyPair, MaterialError, Purpose, Wanted};

use crate::failure::Failure;

/// The most bytes of a file.
const MOST_BYTES: u64 = 1024 * 1024;

fn bytes(what: &str, path: &Path, private: bool) -> Result<SecretBytes, Failure> {
    let shown = path.display();
    let failed = |error: io::Error| Failure::unusable(format!("{what} {shown} can't be read: {error}"));
    let mut file = File::open(path).map_err(failed)?;
    // What was opened counts.
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::unusable(format!("{what} {shown} is no file")));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if private && !app_config::file::is_private(&metadata) {
        let why = format!("may be read by others than you (mode {mode:04o})");
        return Err(Failure::unusable(format!("{what} {shown} {why}: chmod 400 {shown}")));
    }
    if metadata.len() > MOST_BYTES {
        return Err(Failure::unusable(format!("{what} {shown} has more than {MOST_BYTES} bytes")));
    }
    if metadata.len() == 0 {
        return Err(Failure::unusable(format!("{what} {shown} is empty")));
    }
    // Room for all of it, so that no copy is left behind when it grows.
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
            return Failure::unusable(format!("key {key} is not that of certificate {cert}"));
        }
        let (what, path) = if error.of() == Wanted::Key { ("key", key) } else { ("certificate", cert) };
        Failure::unusable(format!("{what} {}: {error}", path.display()))
    })?;
    check(&pair, cert, SystemTime::now())?;
    Ok(pair)
}

/// Whether the certificate can be shown now: a server would only say that it does not want it.
pub(super) fn check(pair: &KeyPair, cert: &Path, now: SystemTime) -> Result<(), Failure> {
    let (shown, certificate) = (cert.display(), pair.certificate());
    // Dates beyond the year 9999 are in no certificate: they have four digits there.
    let at = humantime::format_rfc3339_seconds;
    if certificate.not_after < now {
        let end = at(certificate.not_after);
        return Err(Failure::unusable(format!(
            "certificate {shown} expired at {end}: have a new one issued (appctl pki issue --help)"
        )));
    }
    if certificate.not_before > now {
        let begin = at(certificate.not_before);
        return Err(Failure::unusable(format!(
            "certificate {shown} is not valid before {begin}: is the clock of this machine right?"
        )));
    }
    if !certificate.serves(Purpose::Client) {
        return Err(Failure::unusable(format!(
            "certificate {shown} is a server's: use that of a client (extended key usage clientAuth)"
        )));
    }
    Ok(())
}

/// Whose servers are called.
pub(super) fn authorities(ca: &Path, crl: Option<&Path>) -> Result<Authorities, Failure> {
    let certificates = bytes("authorities", ca, false)?;
    let lists = crl.map(|crl| bytes("revocation list", crl, false)).transpose()?;
    Authorities::from_pem(&certificates, lists.as_deref().unwrap_or_default()).map_err(|error| match crl {
        Some(crl) if error.of() == Wanted::Crls => {
            Failure::unusable(format!("revocation list {}: {error}", crl.display()))
        }
        _ => Failure::unusable(format!("authorities {}: {error}", ca.display())),
    })
}
