//! `pki show`: shows certificates, revocation lists and PKI folders.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use app_core::clap::{ArgMatches, Command};
use app_pki::{CertificateInfo, Contents, CrlInfo, Directory, Validity};
use serde::Serialize;

use super::args::{json_arg, path, path_arg};
use super::failure;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Page, Paint, Table};

/// Largest file in bytes. Certificates, and revocation lists that fit into a config, are smaller.
const MAX_BYTES: u64 = 1024 * 1024;
/// From this time before its end, a certificate is shown as `ends soon`.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

const HELP: &str = "\
Examples:
  appctl pki show pki                         all certificates of an authority, and its revocation lists
  appctl pki show pki/client-ops.pem          one certificate, and those between it and the root
  appctl pki show pki/crl.pem                 revocation lists
  appctl pki show pki --json                  the same for programs

A private key is never shown.";

pub(super) fn command() -> Command {
    let what = path_arg("path", "FILE|DIR", "Certificate, revocation lists, or PKI folder");
    Command::new("show")
        .about("Shows a certificate, a revocation list or a PKI folder")
        .after_help(HELP)
        .arg(what.default_value("."))
        .arg(json_arg())
}

pub(super) fn moment(moment: SystemTime) -> String {
    humantime::format_rfc3339_seconds(moment).to_string()
}

/// A certificate in the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct ShownCertificate {
    pub(super) purpose: String,
    pub(super) names: Vec<String>,
    pub(super) serial: String,
    pub(super) not_before: String,
    pub(super) not_after: String,
    pub(super) state: &'static str,
    pub(super) revoked: Option<String>,
    pub(super) fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
}

impl ShownCertificate {
    pub(super) fn of(info: &CertificateInfo) -> Self {
        Self {
            purpose: info.kind.to_string(),
            names: info.names.clone(),
            serial: info.serial.to_string(),
            not_before: moment(info.validity.not_before),
            not_after: moment(info.validity.not_after),
            state: state(info.validity, None),
            revoked: None,
            fingerprint: info.fingerprint.clone(),
            subject: Some(info.subject.clone()),
            issuer: Some(info.issuer.clone()),
            file: None,
        }
    }

    fn paint(&self) -> Paint {
        match self.state {
            "valid" => Paint::Good,
            "ends soon" | "not yet valid" => Paint::Warning,
            _ => Paint::Bad,
        }
    }
}

fn state(validity: Validity, revoked: Option<SystemTime>) -> &'static str {
    let now = SystemTime::now();
    match (revoked, validity) {
        (Some(_), _) => "revoked",
        (None, validity) if now > validity.not_after => "expired",
        (None, validity) if now < validity.not_before => "not yet valid",
        (None, validity) if now + SOON > validity.not_after => "ends soon",
        _ => "valid",
    }
}

/// A revocation list in the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct ShownCrl {
    issuer: String,
    number: u64,
    this_update: String,
    next_update: Option<String>,
    stale: bool,
    revoked: Vec<ShownRevoked>,
}

#[derive(Debug, Serialize)]
struct ShownRevoked {
    serial: String,
    since: String,
}

impl ShownCrl {
    pub(super) fn of(crl: &CrlInfo) -> Self {
        let revoked = crl.revoked.iter();
        Self {
            issuer: crl.issuer.clone(),
            number: crl.number,
            this_update: moment(crl.this_update),
            next_update: crl.next_update.map(moment),
            stale: crl.is_stale(SystemTime::now()),
            revoked: revoked
                .map(|revoked| ShownRevoked { serial: revoked.serial.to_string(), since: moment(revoked.at) })
                .collect(),
        }
    }

    fn line(&self, page: &mut Page) {
        let until = self.next_update.as_deref().unwrap_or("an unknown date");
        let (good, paint) =
            if self.stale { ("STALE since", Paint::Bad) } else { ("valid until", Paint::Plain) };
        let list = format!(
            "list {} of {}: {} revoked, {good} {until}",
            self.number,
            self.issuer,
            self.revoked.len()
        );
        page.painted(list, paint);
    }
}

/// The JSON output of `pki show`.
#[derive(Debug, Serialize)]
struct Contained {
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<ShownCertificate>,
    certificates: Vec<ShownCertificate>,
    crls: Vec<ShownCrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crl_is_behind: Option<bool>,
}

pub(super) fn show(matches: &ArgMatches) -> Outcome {
    let path = path(matches, "path");
    let answer = if path.is_dir() { of_folder(path)? } else { of_file(path)? };
    Output::of(matches).print(&answer, |page| {
        if let Some(authority) = &answer.authority {
            page.facts(&[
                ("authority", authority.subject.clone().unwrap_or_default(), Paint::Plain),
                ("state", authority.state.to_owned(), authority.paint()),
                ("valid until", authority.not_after.clone(), Paint::Plain),
                ("fingerprint", authority.fingerprint.clone(), Paint::Plain),
            ]);
        }
        answer.crls.iter().for_each(|crl| crl.line(page));
        if answer.crl_is_behind == Some(true) {
            page.painted("a revoked certificate is not on the list yet; run appctl pki crl", Paint::Bad);
        }
        if !answer.certificates.is_empty() {
            page.table(&table(&answer.certificates));
        }
        // For a revocation list alone, its entries are the output.
        if answer.authority.is_none() {
            let revoked = answer.crls.iter().flat_map(|crl| &crl.revoked);
            revoked.for_each(|revoked| page.line(format!("{}  revoked {}", revoked.serial, revoked.since)));
        }
    })
}

fn table(certificates: &[ShownCertificate]) -> Table<6> {
    let mut table = Table::new(["PURPOSE", "NAME", "STATE", "UNTIL", "SERIAL", "SHA-256"]);
    for shown in certificates {
        let name = if shown.names.is_empty() {
            shown.subject.clone().unwrap_or_default()
        } else {
            shown.names.join(", ")
        };
        let plain = |text: &str| (text.to_owned(), Paint::Plain);
        table.row([
            plain(&shown.purpose),
            (name, Paint::Plain),
            (shown.state.to_owned(), shown.paint()),
            plain(&shown.not_after),
            plain(&shown.serial),
            plain(&shown.fingerprint),
        ]);
    }
    table
}

fn of_folder(path: &Path) -> Result<Contained, Failure> {
    let contents = Directory::open(path).and_then(|directory| directory.contents()).map_err(failure)?;
    Ok(Contained {
        authority: Some(ShownCertificate::of(&contents.authority)),
        crls: contents.crls.iter().map(|crl| ShownCrl::of(&crl.info)).collect(),
        crl_is_behind: Some(contents.crl_is_behind),
        certificates: listed(contents),
    })
}

fn listed(contents: Contents) -> Vec<ShownCertificate> {
    let issuer = contents.authority.subject;
    let shown = contents.issued.into_iter().map(|one| ShownCertificate {
        purpose: one.kind,
        names: vec![one.name],
        serial: one.serial.to_string(),
        not_before: moment(one.validity.not_before),
        not_after: moment(one.validity.not_after),
        state: state(one.validity, one.revoked),
        revoked: one.revoked.map(moment),
        fingerprint: one.fingerprint,
        subject: None,
        issuer: Some(issuer.clone()),
        file: Some(one.file.display().to_string()),
    });
    shown.collect()
}

fn of_file(path: &Path) -> Result<Contained, Failure> {
    let named = |reason: &dyn std::fmt::Display| Failure::unusable(format!("{}: {reason}", path.display()));
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(named(&"this is neither a file nor a folder"));
    }
    let mut content = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content)).map_err(failed)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(named(&"the file is too large for a certificate or a revocation list"));
    }
    let has = |what: &str| content.windows(what.len()).any(|part| part == what.as_bytes());
    if has("PRIVATE KEY-----") {
        return Err(named(&"this is a private key, and nothing of it is shown; show its certificate"));
    }
    if has("-----BEGIN X509 CRL-----") {
        let crls = CrlInfo::all_from_pem(&content).map_err(|error| named(&error))?;
        let crls = crls.iter().map(ShownCrl::of).collect();
        return Ok(Contained { authority: None, certificates: Vec::new(), crls, crl_is_behind: None });
    }
    let certificates = CertificateInfo::all_from_pem(&content).map_err(|error| named(&error))?;
    let mut certificates: Vec<_> = certificates.iter().map(ShownCertificate::of).collect();
    mark_revoked(path, &mut certificates);
    Ok(Contained { authority: None, certificates, crls: Vec::new(), crl_is_behind: None })
}

/// Marks revoked certificates, if the file is in the PKI folder of their authority.
fn mark_revoked(path: &Path, certificates: &mut [ShownCertificate]) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(contents) = Directory::open(folder).and_then(|directory| directory.contents()) else { return };
    for certificate in certificates {
        let same = contents.issued.iter().find(|one| one.fingerprint == certificate.fingerprint);
        if let Some(at) = same.and_then(|one| one.revoked) {
            certificate.revoked = Some(moment(at));
            certificate.state = "revoked";
        }
    }
}
