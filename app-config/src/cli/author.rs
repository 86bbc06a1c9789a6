//! `config explain`, `config seal` and `config open`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::Utf8Error;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::{args, write_output};
use app_errors::one_line;
use app_ids::{AppId, DomainId};

use super::input::{
    DASH, identity_arg, json, message, path, path_arg, schema, schema_for, schema_of, service_arg, switch,
};
use super::keys::chain;
use super::refused::Refused;
use crate::author::{self, Overwrite, compile_with_remarks, decompile, place_file};
use crate::configs::ConfigDir;
use crate::ids::label;
use crate::problems::Remark;
use crate::schema::ConfigSchema;
use crate::sealing::{self, ConfigIdentities, Recipient};
use crate::secret::SecretBytes;

pub(super) fn explain_command() -> Command {
    let about = "Explains the config of a service: each field with its type, default, bounds and meaning";
    let service = Arg::new("wanted")
        .value_name("SERVICE")
        .help("Name or id of the service [default: lists all services]");
    let id = |name: &'static str, variable: &'static str, help: &'static str| {
        Arg::new(name).long(name).env(variable).value_name("ID").default_value("0").help(help)
    };
    let domain = id("domain-id", "OP_DOMAIN_ID", "Domain that the example is for");
    let app = id("app-id", "OP_APP_ID", "Application that the example is for");
    Command::new("explain")
        .about(about)
        .arg(service)
        .arg(switch("json", "Prints a full example to change and seal"))
        .arg(domain.value_parser(args::trimmed::<DomainId>))
        .arg(app.value_parser(args::trimmed::<AppId>))
}

pub(super) fn explain(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let Some(wanted) = matches.get_one::<String>("wanted") else {
        let line = |schema: &ConfigSchema| format!("{}: {}\n", schema.service().describe(), schema.doc());
        let list: String = ConfigSchema::linked().iter().map(line).collect();
        return Ok(write_output(|out| out.write_all(list.as_bytes())));
    };
    let schema = schema_of(wanted)?;
    let text = if matches.get_flag("json") {
        let domain = matches.get_one("domain-id").copied().unwrap_or(DomainId::new(0));
        let app = matches.get_one("app-id").copied().unwrap_or(AppId::new(0));
        author::example_of(&schema, domain, app).ok_or_else(|| Refused::config("its config is no struct"))?
    } else {
        author::explain(&schema)
    };
    Ok(write_output(|out| writeln!(out, "{}", text.trim_end())))
}

pub(super) fn seal_command() -> Command {
    let about = "Makes a config file from JSON: checks it, reads it back and compares it, seals it";
    let help = "\
Every problem is reported with its path. Then nothing is written. Ids are hex strings (\"0x1f\"); bytes are base64, or
\"@name\" for a file. Without --recipient it is sealed for the identities of --identity (OP_CONFIG_IDENTITY).";
    let input = path_arg("input", "JSON", "File with the JSON [default: standard input]");
    let recipient =
        Arg::new("recipient").long("recipient").short('r').value_name("AGE1..").action(ArgAction::Append);
    let output = path_arg(
        "output",
        "FILE",
        "File to write, - for standard output [default: 0x<id> in the current folder]",
    );
    Command::new("seal")
        .about(about)
        .after_help(help)
        .arg(service_arg(true))
        .arg(input)
        .arg(recipient.help("Recipient to seal for; may be given several times"))
        .arg(identity_arg().help("File of identities: seals for them, and opens the result to compare it"))
        .arg(
            switch("plain", "Does not seal: everyone who can read the file can read the config")
                .conflicts_with("recipient"),
        )
        .arg(output.long("output").short('o'))
        .arg(
            path_arg("files", "DIR", "Folder of the files that \"@name\" means [default: that of the JSON]")
                .long("files"),
        )
        .arg(switch("force", "Replaces an existing file"))
}

pub(super) fn seal(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let schema =
        schema(matches)?.ok_or_else(|| Refused::usage("no service is named: name it with --service"))?;
    let identities =
        path(matches, "identity").map(ConfigIdentities::read).transpose().map_err(Refused::config)?;
    let recipients = recipients(matches, identities.as_ref())?;
    let input = path(matches, "input");
    let text = json(input)?;
    let text = std::str::from_utf8(&text).map_err(|error| Refused::config(not_utf8(&text, &error)))?;
    let beside =
        input.filter(|input| input.as_os_str() != DASH).and_then(Path::parent).unwrap_or(Path::new(""));
    let files =
        path(matches, "files").unwrap_or(if beside.as_os_str().is_empty() { Path::new(".") } else { beside });
    let (plain, remarks) = compile_with_remarks(&schema, text, Some(files))
        .map_err(|problems| Refused::problems(schema.service(), problems))?;
    print_remarks(&schema, &remarks);
    let content = if recipients.is_empty() {
        plain.to_vec().into()
    } else {
        sealed(&plain, &recipients, identities.as_ref())?
    };
    write(matches, &schema, &content, recipients.len())
}

/// Prints the remarks on a config to standard error: standard output may be the config itself.
fn print_remarks(schema: &ConfigSchema, remarks: &[Remark]) {
    let of = label(schema.service());
    let mut out = io::stderr().lock();
    for remark in remarks {
        let kind = if remark.is_warning() { "warning" } else { "note" };
        // If standard error fails, there is no place to report it.
        let _ = writeln!(out, "{kind}: {of}: {}", remark.subject());
    }
}

fn not_utf8(text: &[u8], error: &Utf8Error) -> String {
    match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            "the JSON is UTF-16, as some editors write it: save it as UTF-8".to_owned()
        }
        _ => {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            format!("the JSON is not UTF-8: line {line} has bytes that are no text")
        }
    }
}

/// The recipients to seal for. Empty only with `--plain`.
fn recipients(
    matches: &ArgMatches,
    identities: Option<&ConfigIdentities>,
) -> Result<Vec<Recipient>, Refused> {
    if matches.get_flag("plain") {
        return Ok(Vec::new());
    }
    let mut recipients = Vec::new();
    for (i, text) in matches.get_many::<String>("recipient").into_iter().flatten().enumerate() {
        let refuse = |error| Refused::usage(format!("recipient {}: {error}", i + 1));
        recipients.push(text.parse::<Recipient>().map_err(refuse)?);
    }
    if recipients.is_empty() {
        recipients.extend(identities.map(ConfigIdentities::recipients).unwrap_or_default());
    }
    if recipients.is_empty() {
        return Err(Refused::usage(
            "there is no recipient to seal for: name one with --recipient age1.. (config keygen makes one) or --identity FILE; --plain does not seal",
        ));
    }
    Ok(recipients)
}

/// Seals content. If one of the identities opens it, it is opened again and compared.
fn sealed(
    plain: &SecretBytes,
    recipients: &[Recipient],
    identities: Option<&ConfigIdentities>,
) -> Result<SecretBytes, Refused> {
    let sealed = sealing::seal(plain, recipients).map_err(Refused::config)?;
    if let Some(identities) = identities
        && identities.recipients().iter().any(|ours| recipients.contains(ours))
    {
        let opened = sealing::open(&sealed, identities).map_err(Refused::config)?;
        if opened[..] != plain[..] {
            return Err(Refused::config(
                "the sealed config does not open to the same content: nothing was written",
            ));
        }
    }
    Ok(sealed.into())
}

fn write(
    matches: &ArgMatches,
    schema: &ConfigSchema,
    content: &[u8],
    recipients: usize,
) -> Result<ExitCode, Refused> {
    let output = match path(matches, "output") {
        Some(output) if output.as_os_str() == DASH => return Ok(write_output(|out| out.write_all(content))),
        Some(output) => output.to_owned(),
        None => PathBuf::from(ConfigDir::file_name(schema.service())),
    };
    let overwrite = if matches.get_flag("force") { Overwrite::Force } else { Overwrite::Never };
    place_file(&output, content, overwrite).map_err(|error| Refused::io(chain(&error)))?;
    let how = if recipients == 0 { "not sealed".to_owned() } else { format!("sealed for {recipients}") };
    Ok(write_output(|out| writeln!(out, "{}: {how}", one_line(&output.display().to_string()))))
}

pub(super) fn open_command() -> Command {
    let about = "Makes JSON from a config file, sealed or not";
    let file = path_arg("file", "FILE", "The config").required(true);
    Command::new("open").about(about).arg(file).arg(service_arg(false)).arg(identity_arg())
}

pub(super) fn open(matches: &ArgMatches) -> Result<ExitCode, Refused> {
    let file = path(matches, "file").unwrap_or(Path::new(""));
    let schema = schema_for(matches, file)?;
    let message = message(matches, file)?;
    let json =
        decompile(&schema, message).map_err(|problems| Refused::problems(schema.service(), problems))?;
    let json = SecretBytes::from(json.into_bytes());
    Ok(write_output(|out| out.write_all(&json)))
}
