//! Arguments that several `appctl pki` commands have.

use std::path::{Path, PathBuf};

use app_core::args::number;
use app_core::clap::builder::{PossibleValuesParser, TypedValueParser as _};
use app_core::clap::{Arg, ArgAction, ArgMatches, value_parser};
use app_pki::{Directory, KeyKind};

use super::failure;
use crate::failure::Failure;

/// A hundred years.
const MOST_DAYS: u32 = 36_525;

pub(super) fn json_arg() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print a JSON object")
}

/// `--dir`: the PKI folder.
pub(super) fn dir_arg() -> Arg {
    let arg = Arg::new("dir").long("dir").short('d').value_name("DIR").env("OP_PKI_DIR");
    let arg = arg.value_parser(value_parser!(PathBuf)).default_value(".");
    arg.help("PKI folder of the authority")
}

pub(super) fn directory(matches: &ArgMatches) -> Result<Directory, Failure> {
    Directory::open(path(matches, "dir")).map_err(failure)
}

/// The value of an argument that is required or has a default value.
pub(super) fn path<'a>(matches: &'a ArgMatches, name: &str) -> &'a Path {
    matches.get_one::<PathBuf>(name).map_or(Path::new(""), PathBuf::as_path)
}

pub(super) fn path_arg(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
}

pub(super) fn output_arg() -> Arg {
    let help = "Folder for the certificate and the key [default: the PKI folder]";
    path_arg("output", "DIR", help).long("output").short('o')
}

pub(super) fn days_arg(help: &'static str) -> Arg {
    Arg::new("days").long("days").value_name("N").value_parser(number(1..=MOST_DAYS)).help(help)
}

pub(super) fn days(matches: &ArgMatches) -> Option<u32> {
    matches.get_one("days").copied()
}

pub(super) fn key_arg() -> Arg {
    let kinds = PossibleValuesParser::new(["p256", "p384", "ed25519"]);
    let arg = Arg::new("key").long("key").value_name("KIND").default_value("p256");
    arg.value_parser(kinds.try_map(|kind| kind.parse::<KeyKind>())).help("Kind of the private key")
}

pub(super) fn key(matches: &ArgMatches) -> KeyKind {
    matches.get_one("key").copied().unwrap_or_default()
}
