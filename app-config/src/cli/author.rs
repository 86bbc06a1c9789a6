//! `config explain`, `config seal` and `config open`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::Utf8Error;

use app_core::clap::{Arg, ArgMatches, Command};
use app_core::{args, write_output};
use app_errors::one_line;
use app_ids::{AppId, DomainId};

use super::input::{
    DASH, identity_arg, json, message, path, path_arg, schema, schema_for, schema_of, service_arg, switch,
};
use super::recipients::{RECIPIENT, Recipients, recipient_arg};
use super::refused::{Refused, chain};
use crate::author::{self, Overwrite, compile_with_remarks, decompile, place_file};
use crate::configs::ConfigDir;
use crate::ids::label;
use crate::problems::Remark;
use crate::schema::ConfigSchema;
use crate::sealing::Sealer;
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

const SEAL_HELP: &str = "\
Every problem is reported with its path. Then nothing is written. Ids are hex strings (\"0x1f\"); bytes are base64, or
\"@name\" for a file.";

const SEALED_FOR: &str =
    "Without --recipient it is sealed for the identities of --identity (OP_CONFIG_IDENTITY).";

const NEVER_SEALED: &str = "Pass --plain: only a program that links app-sealing seals.";

pub(super) fn seal_command() -> Command {
    let about = "Makes a config file from JSON: checks it, reads it back and compares it, seals it";
    let input = path_arg("input", "JSON", "File with the JSON [default: standard input]");
    let output = path_arg(
        "output",
        "FILE",
        "File to write, - for standard output [default: 0x<id> in the current folder]",
    );
    let has_sealer = Sealer::linked().is_some();
    let identity_help = "File of identities: seals for them, and opens the result to compare it";
    Command::new("seal")
        .about(about)
        .after_help(format!("{SEAL_HELP} {}", if has_sealer { SEALED_FOR } else { NEVER_SEALED }))
        .arg(service_arg(true))
        .arg(input)
        .args(recipient_arg())
        .args(identity_arg().map(|arg| arg.help(identity_help)))
        .arg(
            switch("plain", "Does not seal: everyone who can read the file can read the config")
                .conflicts_with_all(has_sealer.then_some(RECIPIENT)),
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
    let recipients = Recipients::read(matches)?;
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
    let content = match &recipients {
        Some(recipients) => recipients.seal(&plain)?,
        None => plain,
    };
    write(matches, &schema, &content, recipients.map_or(0, |recipients| recipients.count()))
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
    Command::new("open").about(about).arg(file).arg(service_arg(false)).args(identity_arg())
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
