//! The flags that name the app and the certificate.

use std::path::PathBuf;
use std::time::Duration;

use app_core::args;
use app_core::clap::builder::ValueParser;
use app_core::clap::{Arg, ArgAction, ValueHint, value_parser};
use app_ids::{AppId, DomainId, ServiceId};

use crate::contexts::Address;

const HEADING: &str = "App and certificate";

/// `--context`.
pub(crate) fn context_arg() -> Arg {
    Arg::new("context")
        .long("context")
        .value_name("FILE[#NAME]")
        .env("OP_CONTEXT")
        .value_hint(ValueHint::FilePath)
        .help_heading(HEADING)
        .help("File of contexts, and the name of a context in it [default: ~/.config/appctl/contexts.json, its current context]")
}

/// `--context` of commands that work on the file itself.
pub(crate) fn context_file() -> Arg {
    context_arg().help_heading("Options").value_name("FILE").help("File of contexts")
}

fn flag(name: &'static str, value: &'static str, parser: impl Into<ValueParser>, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(parser).help_heading(HEADING).help(help)
}

fn file(name: &'static str, help: &'static str) -> Arg {
    flag(name, "FILE", value_parser!(PathBuf), help).value_hint(ValueHint::FilePath)
}

/// The flags that replace a context or fields of it.
pub(crate) fn direct_args() -> Vec<Arg> {
    let address = args::trimmed::<Address>;
    vec![
        flag(
            "address",
            "HOST:PORT",
            address,
            "Address of the app; if there are several, a command that reads asks the first one that answers",
        )
        .value_delimiter(','),
        flag("domain-id", "ID", args::trimmed::<DomainId>, "Domain id of the app, decimal or 0x.."),
        flag("app-id", "ID", args::trimmed::<AppId>, "App id, decimal or 0x.."),
        flag(
            "service-id",
            "ID",
            args::trimmed::<ServiceId>,
            "RPC service of the app [default: the admin interface]",
        ),
        file("ca", "Authorities that may sign the app's certificate, PEM"),
        file("crl", "Revocation lists of these authorities, PEM"),
        file("cert", "Your certificate, PEM"),
        file("key", "Private key of your certificate, PEM; only you may read it"),
    ]
}

/// `--json`.
pub(crate) fn json_arg() -> Arg {
    let help = "Print a JSON object on one line; docs/APPCTL.md lists its keys";
    Arg::new("json").long("json").action(ArgAction::SetTrue).help(help)
}

/// The flags of all commands that ask an app.
pub(crate) fn connection_args() -> Vec<Arg> {
    let timeout = Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .default_value("10s")
        .value_parser(positive_time)
        .help("Longest time for the whole command, including the connection");
    let mut args = vec![timeout, json_arg(), context_arg()];
    args.extend(direct_args());
    args
}

/// Parses a time above 0 and up to a year, so that sums with clock values do not overflow.
pub(crate) fn positive_time(text: &str) -> Result<Duration, String> {
    args::duration_between(Duration::from_nanos(1)..=Duration::from_secs(86_400 * 365))(text)
}
