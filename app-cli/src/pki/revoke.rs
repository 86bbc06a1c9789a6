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

Servers refuse it once they have read the new crl.pem: put it into their configs.";

pub(super) fn revoke_command() -> Command {
    let what = Arg::new("certificate").value_name("FILE|SERIAL").required(true);
    Command::new("revoke")
        .about("Revokes a certificate, and makes a new revocation list")
        .after_help(REVOKE_HELP)
        .arg(what.help("The certificate, or its serial number in hex"))
        .arg(dir_arg())
        .arg(json_arg())
}

/// What was revoked, for programs.
#[derive(Serialize)]
struct Told {
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
        // A file may have such a name too.
        Ok(serial) if !Path::new(what).exists() => directory.revoke(&serial),
        _ => directory.revoke_file(Path::new(what)),
    };
    let revoked = revoked.map_err(failure)?;
    let told = Told {
        serial: revoked.serial.to_string(),
        name: revoked.name.clone(),
        revoked: moment(revoked.at),
        already: revoked.already,
        crl: ShownCrl::of(&revoked.crl),
    };
    Output::of(matches).print(&told, |page| {
        let was = if told.already { " (it was already)" } else { "" };
        page.facts(&[
            ("revoked", format!("{}, serial {}{was}", told.name, told.serial), Paint::Plain),
            ("since", told.revoked.clone(), Paint::Plain),
            list(&directory, &revoked.crl),
        ]);
    })
}

const CRL_HELP: &str = "\
Examples:
  appctl pki crl --dir pki
  0 4 * * 1  appctl pki crl --dir /srv/pki && deploy /srv/pki/crl.pem      in a crontab: every Monday

A list says by when there will be a newer one; past that moment servers and clients that have it refuse everybody, so that nobody
can undo a revocation by holding lists back. Of an authority under another: renew the list of the one above first.";

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
    let until = made.next_update.map_or_else(|| "ever".to_owned(), moment);
    ("revocation lists", format!("{} (good until {until})", directory.crl().display()), Paint::Plain)
}
