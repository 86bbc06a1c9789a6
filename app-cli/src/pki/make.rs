//! `pki init`, `pki issue` and `pki renew`.

use std::path::{Path, PathBuf};

use app_core::args::{number, trimmed};
use app_core::clap::{Arg, ArgMatches, Command, value_parser};
use app_ids::{AppId, DomainId, ServiceId};
use app_pki::{
    AuthorityOptions, ClientName, Directory, IssueOptions, IssuedFiles, Serial, Subject, Validity,
};
use app_rpc::RpcName;
use serde::Serialize;

use super::args::{days, days_arg, dir_arg, directory, json_arg, key, key_arg, output_arg, path, path_arg};
use super::failure;
use super::show::ShownCertificate;
use crate::failure::{Failure, Outcome, Status};
use crate::output::{Output, Paint};
use crate::target::ADMIN;

const DEFAULT_DAYS: u32 = 3650;
const DEFAULT_CRL_DAYS: u32 = 30;

const INIT_HELP: &str = "\
Examples:
  appctl pki init pki                                      for servers and clients only
  appctl pki init root --path-length 1                     a root that may have authorities under it; keep it offline
  appctl pki init pki --under root                         an authority under the root, for daily use

The folder is made completely or not at all. Only its owner can read it. It holds ca.key (mode 0400), ca.pem (for peers to trust),
crl.pem (the revocation lists of the whole chain) and index.json (the issued certificates). Keep a backup that only you can read.";

pub(super) fn init_command() -> Command {
    let dir = path_arg("folder", "DIR", "Folder to make; it must not exist, or be empty").required(true);
    let days =
        days_arg("Days that the authority is valid [default: 3650, or as long as the authority above it]");
    let name = Arg::new("name").long("name").value_name("TEXT");
    let name =
        name.help("Name of the authority, for people [default: appctl authority, and a random number]");
    let crl_days = Arg::new("crl-days").long("crl-days").value_name("N").default_value("30");
    let crl_days = crl_days.value_parser(number(1_u32..=3650));
    let path_length = Arg::new("path-length").long("path-length").value_name("N").default_value("0");
    let path_length = path_length.value_parser(number(0_u8..=5));
    Command::new("init")
        .about("Makes an authority")
        .after_help(INIT_HELP)
        .arg(dir)
        .arg(days)
        .arg(name)
        .arg(key_arg())
        .arg(crl_days.help("Days that each of its revocation lists is valid"))
        .arg(path_length.help("Number of authorities that may follow under it in a chain"))
        .arg(path_arg("under", "DIR", "PKI folder of the authority above it").long("under"))
        .arg(json_arg())
}

/// The JSON output of `pki init`.
#[derive(Serialize)]
struct Made<'a> {
    dir: &'a Path,
    ca: PathBuf,
    crl: PathBuf,
    authority: ShownCertificate,
}

pub(super) fn init(matches: &ArgMatches) -> Outcome {
    let folder = path(matches, "folder");
    let name = match matches.get_one::<String>("name") {
        Some(name) => name.clone(),
        // Peers find an authority by its name, so each name should be unique.
        None => format!("appctl authority {}", Serial::random().map_err(|error| failure(error.into()))?),
    };
    let options = AuthorityOptions::new(name, Validity::days(days(matches).unwrap_or(DEFAULT_DAYS)))
        .key(key(matches))
        .path_length(matches.get_one("path-length").copied().unwrap_or_default());
    let crl_days = matches.get_one("crl-days").copied().unwrap_or(DEFAULT_CRL_DAYS);
    let made = match matches.get_one::<PathBuf>("under") {
        Some(above) => {
            let above = Directory::open(above).map_err(failure)?;
            Directory::init_under(folder, &options, crl_days, &above)
        }
        None => Directory::init(folder, &options, crl_days),
    };
    let made = made.map_err(failure)?;
    let authority = made.contents().map_err(failure)?.authority;
    let object = Made {
        dir: made.path(),
        ca: made.root(),
        crl: made.crl(),
        authority: ShownCertificate::of(&authority),
    };
    Output::of(matches).print(&object, |page| {
        page.facts(&[
            ("authority", authority.subject.clone(), Paint::Plain),
            ("valid until", object.authority.not_after.clone(), Paint::Plain),
            ("folder", format!("{} (the key stays in it)", made.path().display()), Paint::Plain),
            ("trusted by peers", made.root().display().to_string(), Paint::Plain),
            (
                "revocation lists",
                format!("{} (renew them within {crl_days} days: appctl pki crl)", made.crl().display()),
                Paint::Plain,
            ),
        ]);
    })
}

const SERVER_HELP: &str = "\
Examples:
  appctl pki issue server --dir pki --domain-id 0xd0 --app-id 0xa0 --service rpc      the admin interface
  appctl pki issue server --dir pki --domain-id 0xd0 --app-id 0xa0 --service 0x5e --days 90

The name is {domain}_{app}_{service}, in hex. Clients check it. The certificate is for servers only.";

const CLIENT_HELP: &str = "\
Examples:
  appctl pki issue client --dir pki --name ops.example.com
  appctl pki issue client --dir pki --name backup --days 30 --output /run/backup

The certificate is for clients only. Its role is read, unless the config of the server grants its name another role:
  { \"grants\": [ { \"name\": \"ops.example.com\", \"role\": \"operate\" } ] }";

pub(super) fn issue_command() -> Command {
    let leaf = |name: &'static str, about: &'static str, help: &'static str| {
        let days = days_arg("Days that the certificate is valid [default: 365, or as long as the authority]");
        Command::new(name)
            .about(about)
            .after_help(help)
            .arg(dir_arg())
            .arg(output_arg())
            .arg(days)
            .arg(key_arg())
            .arg(json_arg())
    };
    let id = |name: &'static str, env: &'static str| {
        Arg::new(name).long(name).value_name("ID").env(env).required(true)
    };
    let server = leaf("server", "Makes a certificate and a key for the server of a service", SERVER_HELP)
        .arg(
            id("domain-id", "OP_DOMAIN_ID")
                .value_parser(trimmed::<DomainId>)
                .help("Domain id of the application"),
        )
        .arg(id("app-id", "OP_APP_ID").value_parser(trimmed::<AppId>).help("App id of the application"))
        .arg(
            Arg::new("service")
                .long("service")
                .short('s')
                .value_name("ID")
                .required(true)
                .value_parser(service_of)
                .help("Service id, or rpc for the admin interface"),
        );
    let client = leaf("client", "Makes a certificate and a key for a client", CLIENT_HELP).arg(
        Arg::new("name")
            .long("name")
            .short('n')
            .value_name("NAME")
            .required(true)
            .value_parser(value_parser!(ClientName))
            .help("DNS name of the client; grants in the server's config use it"),
    );
    let about = "Makes a certificate and a key, for a server or for a client";
    Command::new("issue")
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([server, client])
}

/// Parses a service id. The admin interface also has the name `rpc`.
fn service_of(text: &str) -> Result<ServiceId, String> {
    let text = text.trim();
    if text == "rpc" {
        return Ok(ADMIN);
    }
    text.parse().map_err(|error: app_ids::ParseIdError| format!("{error}; the only known name is rpc"))
}

pub(super) fn issue(matches: &ArgMatches) -> Outcome {
    let Some((kind, matches)) = matches.subcommand() else {
        return Err(Failure::new(Status::Usage, "pki issue: the kind is missing; use server or client"));
    };
    let missing = || Failure::new(Status::Usage, "pki issue: the name is missing");
    let subject = if kind == "server" {
        let domain = *matches.get_one::<DomainId>("domain-id").ok_or_else(missing)?;
        let app = *matches.get_one::<AppId>("app-id").ok_or_else(missing)?;
        let service = *matches.get_one::<ServiceId>("service").ok_or_else(missing)?;
        let zero = [domain.as_u64(), app.as_u64(), service.as_u64()].contains(&0);
        if zero {
            return Err(Failure::new(Status::Usage, "pki issue server: an id must not be 0"));
        }
        Subject::Server(RpcName { domain, app, service })
    } else {
        Subject::Client(matches.get_one::<ClientName>("name").cloned().ok_or_else(missing)?)
    };
    let mut wanted = IssueOptions::new(subject);
    wanted.key = key(matches);
    wanted.days = days(matches);
    wanted.into = matches.get_one("output").cloned();
    let directory = directory(matches)?;
    print(matches, &directory.issue(&wanted).map_err(failure)?)
}

const RENEW_HELP: &str = "\
Examples:
  appctl pki renew --dir pki pki/client-ops.example.com.pem

The new certificate has its own key and is put beside the old one (..-2.pem). The old one stays valid until it expires, so you can
use both while you change the configs. Revoke the old one when you no longer use it.";

pub(super) fn renew_command() -> Command {
    let days = days_arg("Days that the certificate is valid [default: 365, or as long as the authority]");
    Command::new("renew")
        .about("Makes another certificate of the same name, with a new key")
        .after_help(RENEW_HELP)
        .arg(path_arg("certificate", "FILE", "The certificate").required(true))
        .arg(dir_arg())
        .arg(
            path_arg("output", "DIR", "Folder for the new certificate [default: the folder of the old one]")
                .long("output")
                .short('o'),
        )
        .arg(days)
        .arg(key_arg())
        .arg(json_arg())
}

pub(super) fn renew(matches: &ArgMatches) -> Outcome {
    let into = matches.get_one("output").cloned();
    let renewed = directory(matches)?.renew(path(matches, "certificate"), days(matches), key(matches), into);
    print(matches, &renewed.map_err(failure)?)
}

/// The JSON output of `pki issue` and `pki renew`.
#[derive(Serialize)]
struct Issued<'a> {
    certificate: &'a Path,
    key: &'a Path,
    #[serde(flatten)]
    shown: ShownCertificate,
}

fn print(matches: &ArgMatches, placed: &IssuedFiles) -> Outcome {
    let shown = ShownCertificate::of(&placed.info);
    let issued = Issued { certificate: &placed.certificate, key: &placed.key, shown };
    Output::of(matches).print(&issued, |page| {
        page.facts(&[
            ("certificate", placed.certificate.display().to_string(), Paint::Plain),
            ("key", placed.key.display().to_string(), Paint::Plain),
            ("name", issued.shown.names.join(", "), Paint::Plain),
            ("serial", issued.shown.serial.clone(), Paint::Plain),
            ("valid until", issued.shown.not_after.clone(), Paint::Plain),
        ]);
    })
}
