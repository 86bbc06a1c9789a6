//! `config keygen` and `config recipients`.

use std::path::Path;
use std::process::ExitCode;

use app_core::clap::{ArgMatches, Command};
use app_core::write_output;

use super::input::{path, path_arg, switch};
use super::refused::Refused;
use crate::author::{Overwrite, place_file};
use crate::file::{self, FileKind};
use crate::problems::counted;
use crate::sealing::{ConfigIdentities, ConfigIdentity, SealedHeader, is_sealed};
use crate::secret::SecretBytes;

pub(super) fn keygen_command() -> Command {
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
    let command = Command::new("keygen").about(about).after_help(help).arg(output.long("output").short('o'));
    command.arg(switch(
        "force",
        "Replaces an existing file: configs that were sealed for it can't be opened any more",
    ))
}

pub(super) fn keygen(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let identity = ConfigIdentity::generate();
    let recipient = identity.recipient();
    let mut text = SecretBytes::with_capacity(1024);
    text.vec_mut().extend_from_slice(format!("# recipient: {recipient}\n").as_bytes());
    text.vec_mut().extend_from_slice(&identity.secret_text());
    text.vec_mut().push(b'\n');
    let Some(output) = path(matches, "output") else {
        return Ok(write_output(|out| out.write_all(&text)));
    };
    let overwrite = if matches.get_flag("force") { Overwrite::Force } else { Overwrite::Never };
    place_file(output, &text, overwrite).map_err(|error| Refused::io(chain(&error)))?;
    Ok(write_output(|out| writeln!(out, "{recipient}")))
}

pub(super) fn recipients_command() -> Command {
    let about =
        "Says for how many recipients a config is sealed, or prints the recipients of a file of identities";
    let help =
        "A sealed file shows the number of its recipients and the kinds of their keys, not who they are.";
    let file = path_arg("file", "FILE", "A sealed config, or a file of identities").required(true);
    Command::new("recipients").about(about).after_help(help).arg(file)
}

pub(super) fn recipients(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let file = path(matches, "file").unwrap_or(Path::new(""));
    let named = |error: &dyn std::fmt::Display| Refused::config(format!("{error} (file {})", file.display()));
    let content = file::read(file, FileKind::Config).map_err(|error| named(&error))?;
    let content = content.ok_or_else(|| Refused::io(format!("{} does not exist", file.display())))?.bytes;
    if is_sealed(&content) {
        let header = SealedHeader::read(&content).map_err(|error| named(&error))?;
        let recipients = counted(header.recipients() as u64, "X25519 recipient");
        return Ok(write_output(|out| writeln!(out, "sealed for {recipients}")));
    }
    if !looks_like_identities(&content) {
        return Ok(write_output(|out| {
            writeln!(out, "not sealed: everyone who can read the file can read the config")
        }));
    }
    let identities = ConfigIdentities::read(file).map_err(Refused::config)?;
    Ok(write_output(|out| {
        identities.recipients().iter().try_for_each(|recipient| writeln!(out, "{recipient}"))
    }))
}

fn looks_like_identities(content: &[u8]) -> bool {
    content.starts_with(b"#") || content.starts_with(b"AGE-")
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
