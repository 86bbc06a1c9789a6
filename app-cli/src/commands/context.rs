//! `appctl context`: lists, shows, selects and adds contexts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_ids::{AppId, DomainId, ServiceId};
use serde::Serialize;

use crate::contexts::{self, Address, Addresses, Context, Contexts, Place};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output, Page, Paint, Table};
use crate::target::{Target, context_file, direct_args};

const HELP: &str = "\
A context says where an app is, which app it must be, and which certificate you show.

Examples:
  appctl context add dev --address 127.0.0.1:44228 --domain-id 0xd0 --app-id 0xa0 --ca ca.pem --cert me.pem --key me.key
  appctl context list
  appctl context use dev                  makes it the context of all commands
  appctl context show dev
  appctl status --context '#dev'          another context, for one command";
const LIST: &str = "Examples:\n  appctl context list\n  appctl context list --context team.json --json";
const SHOW: &str = "\
The command reads the files of the context, so it also reports what is wrong with them.

Examples:
  appctl context show
  appctl context show dev --json";
const USE: &str = "Example:\n  appctl context use dev";
const ADD: &str = "\
The command reads the files first. It does not add a context that could not be used.

Example:
  appctl context add dev --address 127.0.0.1:44228 --domain-id 0xd0 --app-id 0xa0 --ca ca.pem --cert me.pem --key me.key";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Listed<'a> {
    file: String,
    current: Option<&'a str>,
    contexts: Vec<ShownContext<'a>>,
    /// By group, its members as the file has them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    groups: &'a BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Serialize)]
struct ShownContext<'a> {
    name: &'a str,
    current: bool,
    #[serde(flatten)]
    context: &'a Context,
    /// The names in the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_expires: Option<String>,
}

fn command() -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print a JSON object");
    let of = |name, about, examples| {
        Command::new(name).about(about).after_help(examples).arg(context_file()).arg(json.clone())
    };
    let name = Arg::new("name").value_name("NAME").help("Name of the context");
    let flag = |name: &'static str, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let needed = direct_args().into_iter().map(|arg| {
        let needed = !matches!(arg.get_id().as_str(), "service-id" | "crl");
        arg.required(needed)
    });
    let add = of("add", "Adds a context", ADD)
        .arg(name.clone().required(true))
        .args(needed)
        .arg(flag("replace", "Replace a context of this name"))
        .arg(flag("use", "Make it the current context; the first context always is"));
    Command::new("context")
        .about("Lists, shows, selects and adds contexts: the apps that appctl operates")
        .after_help(HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            of("list", "Lists the contexts of a file", LIST),
            of("show", "Shows a context, and the names in its certificate", SHOW).arg(name.clone()),
            of("use", "Makes a context the current one, which all commands use", USE)
                .arg(name.required(true)),
            add,
        ])
}

fn run(matches: &ArgMatches) -> ExitCode {
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(2) };
    let output = Output::of(matches);
    let place = Place::of(matches);
    let outcome = place.and_then(|place| match name {
        "list" => list(&place, output),
        "show" => show(named(place, matches), output),
        "use" => make_current(&named(place, matches), output),
        _ => add(&named(place, matches), matches, output),
    });
    outcome.unwrap_or_else(|failure| output::report(&failure, output.json))
}

/// The place of the context that the command line names.
fn named(place: Place, matches: &ArgMatches) -> Place {
    match matches.get_one::<String>("name") {
        Some(name) => Place { name: Some(name.clone()), ..place },
        None => place,
    }
}

fn list(place: &Place, output: Output) -> Outcome {
    let contexts = contexts::read(&place.file)?;
    let current = contexts.current.as_deref();
    let of = |(name, context)| {
        let name: &String = name;
        ShownContext {
            name,
            current: Some(name.as_str()) == current,
            context,
            names: None,
            serial: None,
            certificate_expires: None,
        }
    };
    let shown: Vec<_> = contexts.contexts.iter().map(of).collect();
    let (file, groups) = (place.file.display().to_string(), &contexts.groups);
    let listed = Listed { file, current, contexts: shown, groups };
    output.print(&listed, |page| {
        let mut table = Table::new(["", "NAME", "ADDRESS", "DOMAIN", "APP"]);
        for ShownContext { name, current, context, .. } in &listed.contexts {
            let cells = [
                if *current { "*" } else { "" }.to_owned(),
                (*name).to_owned(),
                context.address.to_string(),
                format!("{:#x}", context.domain),
                format!("{:#x}", context.app),
            ];
            table.row(cells.map(|text| (text, Paint::Plain)));
        }
        page.table(&table);
        for (group, members) in listed.groups {
            page.line(format!("group {group}: {}", members.join(", ")));
        }
    })
}

fn show(place: Place, output: Output) -> Outcome {
    let (contexts, _) = place.read()?;
    let (name, context) = place.context()?;
    let target = Target::load(&context)?;
    let certificate = target.key_pair.certificate();
    let expires = humantime::format_rfc3339_seconds(certificate.not_after).to_string();
    let shown = ShownContext {
        name: &name,
        current: contexts.current.as_ref() == Some(&name),
        context: &context,
        names: Some(certificate.names.clone()),
        serial: Some(certificate.serial.clone()),
        certificate_expires: Some(expires),
    };
    output.print(&shown, |page| show_page(&shown, &target, page))
}

fn show_page(shown: &ShownContext<'_>, target: &Target, page: &mut Page) {
    let context = shown.context;
    let current = if shown.current { " (current)" } else { "" };
    let names = shown.names.as_deref().unwrap_or_default().join(", ");
    let facts = [
        ("context", format!("{}{current}", shown.name)),
        ("address", context.address.to_string()),
        ("app", format!("{}, the name that its certificate must have", target.name)),
        ("authorities", context.ca.display().to_string()),
        ("certificate", context.cert.display().to_string()),
        ("key", context.key.display().to_string()),
        ("you are", if names.is_empty() { "unknown: the certificate has no name".to_owned() } else { names }),
        ("serial", shown.serial.clone().unwrap_or_default()),
        ("expires", shown.certificate_expires.clone().unwrap_or_default()),
    ];
    page.facts(&facts.map(|(name, value)| (name, value, Paint::Plain)));
}

fn make_current(place: &Place, output: Output) -> Outcome {
    let (mut contexts, name) = place.read()?;
    contexts.current = Some(name.clone());
    contexts::write(&place.file, &contexts)?;
    changed(&name, place, output, "is the current context of")
}

fn add(place: &Place, matches: &ArgMatches, output: Output) -> Outcome {
    let Some(name) = place.name.clone().filter(|name| !name.contains('#')) else {
        return Err(Failure::new(
            crate::failure::Status::Usage,
            "context add: the name of a context must not contain '#'",
        ));
    };
    let exists = place.file.try_exists().unwrap_or(true);
    let mut contexts = if exists { contexts::read(&place.file)? } else { Contexts::default() };
    if contexts.contexts.contains_key(&name) && !matches.get_flag("replace") {
        let file = place.file.display();
        return Err(Failure::failed(format!(
            "contexts {file}: context {name:?} exists already; use --replace to replace it"
        )));
    }
    let context = given(matches)?;
    Target::load(&context)?;
    contexts.contexts.insert(name.clone(), context);
    if matches.get_flag("use") || contexts.current.is_none() {
        contexts.current = Some(name.clone());
    }
    contexts::write(&place.file, &contexts)?;
    changed(&name, place, output, "was added to")
}

/// The context that the flags give, with absolute paths.
fn given(matches: &ArgMatches) -> Result<Context, Failure> {
    let path = |name: &str| {
        let path = matches.get_one::<PathBuf>(name);
        path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
    };
    let addresses = matches.get_many::<Address>("address").unwrap_or_default();
    let missing = || {
        Failure::unusable(
            "context add: a flag is missing; a context needs --address, --domain-id, --app-id, --ca, --cert and --key",
        )
    };
    Ok(Context {
        address: Addresses(addresses.cloned().collect()),
        domain: matches.get_one::<DomainId>("domain-id").copied().ok_or_else(missing)?,
        app: matches.get_one::<AppId>("app-id").copied().ok_or_else(missing)?,
        service: matches.get_one::<ServiceId>("service-id").copied(),
        ca: path("ca").ok_or_else(missing)?,
        crl: path("crl"),
        cert: path("cert").ok_or_else(missing)?,
        key: path("key").ok_or_else(missing)?,
    })
}

fn changed(name: &str, place: &Place, output: Output, what: &str) -> Outcome {
    let file = place.file.display().to_string();
    let object = serde_json::json!({ "name": name, "file": file });
    output.print(&object, |page| page.line(format!("{name} {what} {file}")))
}
