//! The flags that say which app is asked, and as whom.

use std::path::PathBuf;
use std::time::Duration;

use app_core::args;
use app_core::clap::builder::ValueParser;
use app_core::clap::{Arg, ArgAction, ValueHint, value_parser};
use app_ids::{AppId, DomainId, ServiceId};

use crate::contexts::Address;

const HEADING: &str = "Which app, and as whom";

/// `--context`.
pub(crate) fn context_arg() -> Arg {
    Arg::new("context")
        .long("context")
        .value_name("FILE[#NAME]")
        .env("OP_CONTEXT")
        .value_hint(ValueHint::FilePath)
        .help_heading(HEADING)
        .help("The file of contexts, and the one of them [default: ~/.config/appctl/contexts.json, the current one]")
}

/// `--context` of commands about the file itself.
pub(crate) fn context_file() -> Arg {
    context_arg().help_heading("Options").value_name("FILE").help("The file of contexts")
}

fn flag(name: &'static str, value: &'static str, parser: impl Into<ValueParser>, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(parser).help_heading(HEADING).help(help)
}

fn file(name: &'static str, help: &'static str) -> Arg {
    flag(name, "FILE", value_parser!(PathBuf), help).value_hint(ValueHint::FilePath)
}

/// The flags that stand for a context, or for parts of one.
pub(crate) fn direct_args() -> Vec<Arg> {
    let address = args::trimmed::<Address>;
    vec![
        flag(
            "address",
            "HOST:PORT",
            address,
            "Where the app is; of several, what only reads asks the first that answers",
        )
        .value_delimiter(','),
        flag(
            "domain-id",
            "ID",
            args::trimmed::<DomainId>,
            "The domain that the app belongs to, decimal or 0x..",
        ),
        flag("app-id", "ID", args::trimmed::<AppId>, "The app, decimal or 0x.."),
        flag(
            "service-id",
            "ID",
            args::trimmed::<ServiceId>,
            "The RPC service of the app [default: the admin interface]",
        ),
        file("ca", "The authorities that the app's certificate may come from, PEM"),
        file("crl", "Revocation lists of these authorities, PEM"),
        file("cert", "Your certificate, PEM"),
        file("key", "Its private key, PEM; readable by you alone"),
    ]
}

/// `--json`.
pub(crate) fn json_arg() -> Arg {
    let help = "Prints an object for programs, on one line; docs/APPCTL.md has its keys";
    Arg::new("json").long("json").action(ArgAction::SetTrue).help(help)
}

/// All flags of commands that ask an app.
pub(crate) fn connection_args() -> Vec<Arg> {
    let timeout = Arg::new("timeout")
        .long("timeout")
        .value_name("TIME")
        .default_value("10s")
        .value_parser(positive_time)
        .help("How long it may take in all, connecting included");
    let mut args = vec![timeout, json_arg(), context_arg()];
    args.extend(direct_args());
    args
}

/// A time above 0, and not so long that clocks end before.
pub(crate) fn positive_time(text: &str) -> Result<Duration, String> {
    args::duration_between(Duration::from_nanos(1)..=Duration::from_secs(86_400 * 365))(text)
}
