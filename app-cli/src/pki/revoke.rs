//! `pki revoke` and `pki crl`.

use std::path::Path;

use app_core::clap::{Arg, ArgMatches, Command};
use app_pki::{CrlInfo, Directory, Serial};
use serde::Serialize;

use super::args::{dir_arg, directory, json_arg};
use super::failure;
use super::show::{ShownCrl, moment};
use crate::failure::Outcome;
use crate::output::{Output, Paint};

const REVOKE_HELP: &str = "\
Examples:
  appctl pki revoke --dir pki pki/client-ops.example.com.pem
  appctl pki revoke --dir pki 5b0f03a1c2d94e6677aa01b2c3d4e5f6

Servers refuse the certificate once they have read the new crl.pem. Put it into their configs.";

pub(super) fn revoke_command() -> Command {
    let what = Arg::new("certificate").value_name("FILE|SERIAL").required(true);
    Command::new("revoke")
        .about("Revokes a certificate, and makes a new revocation list")
        .after_help(REVOKE_HELP)
        .arg(what.help("Certificate, or its serial number in hex"))
        .arg(dir_arg())
        .arg(json_arg())
}

/// The JSON output of `pki revoke`.
#[derive(Serialize)]
struct Revoked {
    serial: String,
    name: String,
    revoked: String,
    already: bool,
    crl: ShownCrl,
}

pub(super) fn revoke(matches: &ArgMatches) -> Outcome {
    let what = matches.get_one::<String>("certificate").map_or("", String::as_str);
    let directory = directory(matches)?;
    let revoked = match what.parse::<Serial>() {
        // A file may have a serial number as its name.
        Ok(serial) if !Path::new(what).exists() => directory.revoke(&serial),
        _ => directory.revoke_file(Path::new(what)),
    };
    let revoked = revoked.map_err(failure)?;
    let printed = Revoked {
        serial: revoked.serial.to_string(),
        name: revoked.name.clone(),
        revoked: moment(revoked.at),
        already: revoked.already,
        crl: ShownCrl::of(&revoked.crl),
    };
    Output::of(matches).print(&printed, |page| {
        let was = if printed.already { " (was revoked already)" } else { "" };
        page.facts(&[
            ("revoked", format!("{}, serial {}{was}", printed.name, printed.serial), Paint::Plain),
            ("since", printed.revoked.clone(), Paint::Plain),
            list(&directory, &revoked.crl),
        ]);
    })
}

const CRL_HELP: &str = "\
Examples:
  appctl pki crl --dir pki
  0 4 * * 1  appctl pki crl --dir /srv/pki && deploy /srv/pki/crl.pem      in a crontab: every Monday

Each list has a date of the next update. After that date, servers and clients with this list refuse all peers. So an attacker
cannot undo a revocation by keeping new lists back. If the authority is under another one, renew the list of that one first.";

pub(super) fn crl_command() -> Command {
    let about = "Makes a new revocation list, before the old one is stale";
    Command::new("crl").about(about).after_help(CRL_HELP).arg(dir_arg()).arg(json_arg())
}

pub(super) fn crl(matches: &ArgMatches) -> Outcome {
    let directory = directory(matches)?;
    let made = directory.refresh_crl().map_err(failure)?;
    Output::of(matches).print(&ShownCrl::of(&made), |page| {
        page.facts(&[
            list(&directory, &made),
            ("number", made.number.to_string(), Paint::Plain),
            ("revoked", made.revoked.len().to_string(), Paint::Plain),
        ]);
    })
}

fn list(directory: &Directory, made: &CrlInfo) -> (&'static str, String, Paint) {
    let until = made.next_update.map_or_else(|| "an unknown date".to_owned(), moment);
    ("revocation lists", format!("{} (valid until {until})", directory.crl().display()), Paint::Plain)
}
