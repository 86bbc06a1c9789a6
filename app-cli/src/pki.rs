//! `appctl pki`: makes an authority in a folder, and certificates of it.
//!
//! | command | does |
//! |---|---|
//! | `init` | makes an authority, or one under another |
//! | `issue` | makes a certificate and a key for a server or a client |
//! | `renew` | makes another certificate of the same name, with a new key |
//! | `revoke` | revokes a certificate, and makes a new revocation list |
//! | `crl` | makes a new revocation list, before the old one is stale |
//! | `show` | shows a PKI folder, a certificate or a revocation list |
//!
//! Exit statuses: 0; 1 if a file exists already, this authority did not issue the certificate, or the system refuses; 2 for a
//! usage error; 78 if a file is damaged, or other users could read or change it.

mod args;
mod make;
mod revoke;
mod show;

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{ArgMatches, Command};
use app_pki::DirectoryError;

use crate::failure::{Failure, Status};

app_core::subcommand! { Subcommand::new(command, run) }

const HELP: &str = "\
From nothing to an app that its operator can ask:
  appctl pki init pki                                           an authority in a new folder
  appctl pki issue server --dir pki --domain-id 0xd0 --app-id 0xa0 --service rpc
  appctl pki issue client --dir pki --name ops.example.com      grant the name a role in the server's config
  appctl pki show pki                                           issued certificates, and when they expire
  appctl pki revoke --dir pki pki/client-ops.example.com.pem    then give pki/crl.pem to the servers
  appctl pki crl --dir pki                                      at least every 30 days: with a stale list, all peers are refused

Configs of servers and clients name the files: caCert \"@ca.pem\", crl \"@crl.pem\", and key and cert of each. Only the owner can
read a private key, from the moment it is created. No file is overwritten.";

fn command() -> Command {
    let commands = [
        make::init_command(),
        make::issue_command(),
        make::renew_command(),
        revoke::revoke_command(),
        revoke::crl_command(),
        show::command(),
    ];
    let pki = Command::new("pki").about("Makes an authority, certificates, keys and revocation lists");
    pki.after_help(HELP).subcommand_required(true).arg_required_else_help(true).subcommands(commands)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let Some((name, matches)) = matches.subcommand() else { return Status::Usage.into() };
    // The subcommands of `issue` have the flag.
    let leaf = if name == "issue" { matches.subcommand().map(|(_, leaf)| leaf) } else { Some(matches) };
    let json = leaf.is_some_and(|leaf| leaf.get_flag("json"));
    let done = match name {
        "init" => make::init(matches),
        "issue" => make::issue(matches),
        "renew" => make::renew(matches),
        "revoke" => revoke::revoke(matches),
        "crl" => revoke::crl(matches),
        _ => show::show(matches),
    };
    done.unwrap_or_else(|failure| crate::output::report(&failure, json))
}

/// The failure for an error of the PKI folder, with its exit status.
fn failure(error: DirectoryError) -> Failure {
    let status = match &error {
        DirectoryError::Asked(_) | DirectoryError::NoName(_) => Status::Usage,
        DirectoryError::Pki(..)
        | DirectoryError::Unsafe { .. }
        | DirectoryError::NotRegular(_)
        | DirectoryError::TooLarge(_)
        | DirectoryError::Index { .. }
        | DirectoryError::NoDirectory(_)
        | DirectoryError::OtherKind(_) => Status::Unusable,
        _ => Status::Failed,
    };
    Failure::new(status, error)
}
