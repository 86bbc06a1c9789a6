//! `appctl config show`: the config that the services of an app run on, field by field.
//!
//! `app-config` contributes a command `config` for authors of configs. Its commands work on files; this one asks an app.

use std::process::ExitCode;

use app_core::clap::{Arg, ArgMatches, Command};
use app_core::duration::counted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answers::{MOST_ELEMENTS, cut};
use crate::failure::Failure;
use crate::output::{Moment, Page, Paint, Table};
use crate::{operation, remote};

/// The config service, which answers.
const CONFIG: u64 = app_config::CONFIG_SERVICE_ID.as_u64();

const HELP: &str = "\
The values are those that the services run on, not those that the files have now. Where they come from: file, default, or
flag (a flag or a variable of the app). Of a secret, only its length is shown. Role: operate.

Examples:
  appctl config show
  appctl config show quota
  appctl config show --json | jq -r '.services[] | select(.waiting) | .name'";

/// What the app answers. Its keys are those of the JSON output, except for times.
#[derive(Debug, Deserialize, Serialize)]
struct Shown {
    services: Vec<ShownService>,
}

#[derive(Debug, Deserialize, Serialize)]
struct ShownService {
    id: String,
    name: Option<String>,
    file: Option<String>,
    #[serde(default)]
    sealed: bool,
    #[serde(default)]
    waiting: bool,
    problem: Option<String>,
    #[serde(rename(serialize = "since"), alias = "since_millis")]
    since: Option<Millis>,
    fields: Vec<ShownField>,
    #[serde(default)]
    left_out: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct ShownField {
    path: String,
    value: Value,
    source: String,
    from: Option<String>,
    #[serde(rename(serialize = "since"), alias = "since_millis")]
    since: Option<Millis>,
    secret: Option<Secret>,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
struct Secret {
    bytes: u64,
}

/// Milliseconds since 1970 in the answer, RFC 3339 in the output.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Millis(i64);

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Moment(self.0).serialize(serializer)
    }
}

/// Adds the command to the linked command `config`.
pub(crate) fn extend(linked: Command) -> Command {
    let service = Arg::new("service").value_name("SERVICE").help("Service, by name or id [default: all]");
    let about = "Shows the config that the services of a running app run on";
    linked.subcommand(operation::command("show", about, HELP).arg(service))
}

pub(crate) fn run(of_config: &ArgMatches) -> ExitCode {
    let Some(("show", matches)) = of_config.subcommand() else { return ExitCode::from(2) };
    operation::ask(matches, async |operation, session| {
        let arguments = match matches.get_one::<String>("service") {
            Some(service) => json!({ "service": service }),
            None => json!({}),
        };
        let shown: Option<Shown> = remote::ask(session, CONFIG, "show", arguments).await?;
        let shown = shown.ok_or_else(|| remote::too_old(session, "the config in effect"))?;
        let fields: usize = shown.services.iter().map(|service| service.fields.len()).sum();
        if fields > MOST_ELEMENTS || shown.services.len() > MOST_ELEMENTS {
            let many = format!("{}: {fields} fields, at most {MOST_ELEMENTS}", crate::answers::TOO_MUCH);
            return Err(Failure::failed(many));
        }
        operation.output.print(&shown, |page| shown.services.iter().for_each(|service| show(service, page)))
    })
}

fn show(service: &ShownService, page: &mut Page) {
    let name = service.name.as_deref().unwrap_or("a service without a name");
    let since = service.since.map_or_else(String::new, |since| format!(", since {}", Moment(since.0)));
    let from = match &service.file {
        Some(file) if service.sealed => format!("{file} (sealed)"),
        Some(file) => file.clone(),
        None => "no file".to_owned(),
    };
    page.line(format!("{} ({}): {}{since}", cut(name), cut(&service.id), cut(&from)));
    if service.waiting {
        page.painted(
            "  the file has another value: it takes effect at the next start of the service",
            Paint::Warning,
        );
    }
    if let Some(problem) = &service.problem {
        page.painted(format!("  {problem}"), Paint::Bad);
    }
    let mut table = Table::new(["", "FIELD", "VALUE", "FROM", "SINCE"]);
    for field in &service.fields {
        let from = match &field.from {
            Some(from) => format!("{} ({})", cut(&field.source), cut(from)),
            None => cut(&field.source),
        };
        let since = field.since.map_or_else(|| "-".to_owned(), |since| Moment(since.0).to_string());
        let faint = if field.source == "default" { Paint::Faint } else { Paint::Plain };
        let cells = [String::new(), field.path.clone(), value(field), from, since];
        table.row(cells.map(|cell| (cell, faint)));
    }
    page.table(&table);
    if service.left_out > 0 {
        let name = service.name.as_deref().unwrap_or(&service.id);
        let more = format!(
            "  {} left out; ask for this service alone: appctl config show {name}",
            counted(service.left_out, "field")
        );
        page.painted(more, Paint::Warning);
    }
}

fn value(field: &ShownField) -> String {
    match (&field.secret, &field.value) {
        (Some(Secret { bytes }), _) => format!("set, {}", counted(*bytes, "byte")),
        (None, Value::Null) => "not set".to_owned(),
        (None, value) => value.to_string(),
    }
}
