//! The input of the commands: services by name or id, identities, recipients, files.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use app_core::clap::{Arg, ArgAction, ArgMatches, value_parser};
use app_core::prelude::ServiceId;

use super::refused::Refused;
use crate::codec::{self, Message};
use crate::configs::LoadError;
use crate::file::{self, FileKind, Located};
use crate::json::MAX_JSON_BYTES;
use crate::schema::ConfigSchema;
use crate::sealing::{Sealer, Sealing};
use crate::secret::SecretBytes;

/// Stands for standard input or output.
pub(super) const DASH: &str = "-";

const IDENTITY: &str = "identity";

pub(super) fn service_arg(required: bool) -> Arg {
    let help = "Service that the config is for: its name, or its id in hex with 0x or decimal";
    let arg = Arg::new("service").long("service").short('s').value_name("SERVICE").required(required);
    arg.help(if required { help.to_owned() } else { format!("{help} [default: by the file's name]") })
}

/// The argument that names the file of identities. Without a sealer there is none.
pub(super) fn identity_arg() -> Option<Arg> {
    Sealer::linked()?;
    let help =
        "File of age identities that open sealed configs [default: config.identity beside the configs]";
    let arg = Arg::new(IDENTITY).long("identity").short('i').value_name("FILE").env("OP_CONFIG_IDENTITY");
    // The alias is the name of the application's flag.
    Some(arg.visible_alias("config-identity").value_parser(value_parser!(PathBuf)).help(help))
}

/// The file of identities that was named.
pub(super) fn identity(matches: &ArgMatches) -> Option<&Path> {
    // Without a sealer there is no such argument, which is an error here.
    matches.try_get_one::<PathBuf>(IDENTITY).ok().flatten().map(PathBuf::as_path)
}

pub(super) fn path_arg(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(name).value_parser(value_parser!(PathBuf)).help(help)
}

pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

pub(super) fn path<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a Path> {
    matches.get_one::<PathBuf>(id).map(PathBuf::as_path)
}

/// The schema of the service that was named.
pub(super) fn schema(matches: &ArgMatches) -> Result<Option<ConfigSchema>, Refused> {
    matches.get_one::<String>("service").map(|wanted| schema_of(wanted)).transpose()
}

/// The schema of a service by its name or id.
pub(super) fn schema_of(wanted: &str) -> Result<ConfigSchema, Refused> {
    let schemas = ConfigSchema::linked();
    let id = wanted.parse::<ServiceId>().ok();
    // Lists and logs show ids without 0x, and people copy them from there.
    let is_wanted = |schema: &&ConfigSchema| {
        let service = schema.service();
        Some(service) == id || schema.name() == Some(wanted) || service.hex() == wanted
    };
    let found = schemas.iter().find(is_wanted);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = schemas.iter().map(|schema| schema.service().describe().to_string()).collect();
        let wanted = crate::problems::quoted(wanted);
        Refused::usage(format!(
            "no service {wanted} with a config is linked here; there are: {}",
            known.join(", ")
        ))
    })
}

/// The schema of the named service, or else of the service in the name of the file.
pub(super) fn schema_for(matches: &ArgMatches, file: &Path) -> Result<ConfigSchema, Refused> {
    if let Some(schema) = schema(matches)? {
        return Ok(schema);
    }
    match file.file_name().and_then(OsStr::to_str).filter(|name| name.starts_with("0x")) {
        Some(name) => schema_of(name),
        None => Err(Refused::usage(format!(
            "{} is not named after a service: name the service with --service",
            file.display()
        ))),
    }
}

/// The message in a config file. A sealed file is opened with the given identities, or those beside it.
pub(super) fn message(matches: &ArgMatches, path: &Path) -> Result<Message, Refused> {
    let beside = path.parent().unwrap_or(Path::new(""));
    let (sealing, refused) = Sealing::read(identity(matches), beside, false);
    if let Some(refused) = refused {
        return Err(Refused::config(refused));
    }
    let refuse = |error| Refused::config(Located::in_file(path, error));
    let content = file::read(path, FileKind::Config).map_err(|error| refuse(LoadError::File(error)))?;
    let content = content.ok_or_else(|| Refused::io(format!("{} does not exist", path.display())))?;
    let plain = sealing.content(content.bytes).map_err(|error| refuse(LoadError::Sealed(error)))?;
    codec::decode(&plain).map_err(|error| refuse(LoadError::Content(error)))
}

/// The text of a JSON file, or of standard input.
pub(super) fn json(path: Option<&Path>) -> Result<SecretBytes, Refused> {
    match path.filter(|path| path.as_os_str() != DASH) {
        Some(path) => {
            let refuse = |error| Refused::io(format!("{} can't be read: {error}", path.display()));
            let file = File::open(path).map_err(refuse)?;
            read(file, &path.display().to_string())
        }
        None => read(io::stdin().lock(), "standard input"),
    }
}

fn read(from: impl Read, name: &str) -> Result<SecretBytes, Refused> {
    let mut text = SecretBytes::with_capacity(MAX_JSON_BYTES + 1);
    let read = from.take(MAX_JSON_BYTES as u64 + 1).read_to_end(text.vec_mut());
    read.map_err(|error| Refused::io(format!("{name} can't be read: {error}")))?;
    if text.len() > MAX_JSON_BYTES {
        return Err(Refused::config(format!("{name} is larger than {MAX_JSON_BYTES} bytes")));
    }
    Ok(text)
}
