//! `config keygen` and `config recipients`.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{error, iter};

use app_config::SecretBytes;
use app_config::author::{Overwrite, place_file};
use app_config::file::{self, FileKind, Located};
use app_config::sealing::{SealedHeader, is_sealed};
use app_core::clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use app_core::{ExitStatus, write_output};
use app_errors::one_line;

use crate::identities::ConfigIdentities;
use crate::key::ConfigIdentity;

pub(crate) fn keygen_command() -> Command {
    let about = "Makes a key: an identity that opens configs, and its recipient to seal them for";
    let help = "\
The identity is a secret: give it to the application alone (--config-identity, or config.identity in the config directory).
The recipient, age1.., is public. Both are keys of age (https://age-encryption.org), as age-keygen makes them.
To change a key, seal for both recipients, put both identities into the file, and drop the old ones later.";
    let output = path_arg(
        "output",
        "FILE",
        "Writes the identity to this file, mode 0400, and prints the recipient alone",
    );
    let force = Arg::new("force").long("force").action(ArgAction::SetTrue);
    Command::new("keygen").about(about).after_help(help).arg(output.long("output").short('o')).arg(
        force.help("Replaces an existing file: configs that were sealed for it can't be opened any more"),
    )
}

pub(crate) fn keygen(matches: &ArgMatches) -> ExitCode {
    let identity = ConfigIdentity::generate();
    let recipient = identity.recipient();
    let mut text = SecretBytes::with_capacity(1024);
    text.vec_mut().extend_from_slice(format!("# recipient: {recipient}\n").as_bytes());
    text.vec_mut().extend_from_slice(&identity.secret_text());
    text.vec_mut().push(b'\n');
    let Some(output) = path(matches, "output") else {
        return write_output(|out| out.write_all(&text));
    };
    let overwrite = if matches.get_flag("force") { Overwrite::Force } else { Overwrite::Never };
    match place_file(output, &text, overwrite) {
        Ok(()) => write_output(|out| writeln!(out, "{recipient}")),
        Err(error) => refuse(NO_FILE, chain(&error)),
    }
}

pub(crate) fn recipients_command() -> Command {
    let about =
        "Says for how many recipients a config is sealed, or prints the recipients of a file of identities";
    let help =
        "A sealed file shows the number of its recipients and the kinds of their keys, not who they are.";
    let file = path_arg("file", "FILE", "A sealed config, or a file of identities").required(true);
    Command::new("recipients").about(about).after_help(help).arg(file)
}

pub(crate) fn recipients(matches: &ArgMatches) -> ExitCode {
    let file = path(matches, "file").unwrap_or(Path::new(""));
    let refuse_it =
        |error: &dyn Display| refuse(ExitStatus::Config, format!("{error} (file {})", file.display()));
    let content = match file::read(file, FileKind::Config) {
        Ok(Some(content)) => content.bytes,
        Ok(None) => return refuse(NO_FILE, format!("{} does not exist", file.display())),
        Err(error) => return refuse_it(&error),
    };
    if is_sealed(&content) {
        return match SealedHeader::read(&content).map(|header| header.recipients()) {
            Ok(1) => write_output(|out| writeln!(out, "sealed for 1 X25519 recipient")),
            Ok(count) => write_output(|out| writeln!(out, "sealed for {count} X25519 recipients")),
            Err(error) => refuse_it(&error),
        };
    }
    if !looks_like_identities(&content) {
        return write_output(|out| {
            writeln!(out, "not sealed: everyone who can read the file can read the config")
        });
    }
    match ConfigIdentities::read(file) {
        Ok(identities) => write_output(|out| {
            identities.recipients().iter().try_for_each(|recipient| writeln!(out, "{recipient}"))
        }),
        Err(error) => refuse(ExitStatus::Config, Located::in_file(file, error)),
    }
}

/// The exit status when a file can't be written, or does not exist.
const NO_FILE: ExitStatus = ExitStatus::StartFailed;

fn looks_like_identities(content: &[u8]) -> bool {
    content.starts_with(b"#") || content.starts_with(b"AGE-")
}

fn path_arg(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(name).value_parser(value_parser!(PathBuf)).help(help)
}

fn path<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a Path> {
    matches.get_one::<PathBuf>(id).map(PathBuf::as_path)
}

/// Says in one line why the command did nothing.
fn refuse(status: ExitStatus, reason: impl Display) -> ExitCode {
    // If standard error fails, there is no place to report it.
    let _ = writeln!(io::stderr(), "{}", one_line(&reason.to_string()));
    status.into()
}

/// An error and its causes, in one line.
fn chain(error: &dyn error::Error) -> String {
    let causes = iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
