//! `appctl logs`: the records of a running app's log.

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::builder::PossibleValuesParser;
use app_core::clap::{Arg, ArgMatches, Command};
use app_core::duration::counted;
use app_core::events::APP_STOPPING;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::answers::{cut, moment};
use crate::failure::{Failure, Outcome, Status};
use crate::feed::{self, Feed, FeedEnd, FeedPage, FeedPrinter, Follow};
use crate::operation::{self, Operation};
use crate::output::{Lines, Moment, Note, NoteLine, Output, json_line, one_line};
use crate::several;

/// Longest line for people in characters.
const MOST: usize = 4096;
/// The keys of a record that the beginning of a line shows already, or that are the same in all records.
const PLATFORM_KEYS: [&str; 10] =
    ["time", "level", "domain", "app", "release", "instance", "svc", "svc_name", "event", "message"];

const HELP: &str = "\
The command shows the records that the app has in memory, up to 1 MiB, and with --follow those that come. Records that the
app's own log dropped are not among them. --grep looks for the text itself, not for a pattern, in the message, the keys and
the values; upper and lower case differ. Role: operate.

Examples:
  appctl logs                                   what is in memory
  appctl logs --follow --service quota
  appctl logs --follow --level warn --grep 'disk'
  appctl logs --for 1m --json | jq -r 'select(.type == \"record\") | .record'";

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let flag = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let levels = PossibleValuesParser::new(["debug", "info", "warn", "error"]);
    let level = flag("level", "LEVEL").short('l').ignore_case(true).value_parser(levels);
    operation::command("logs", "Shows the log of a running app", HELP)
        .args(feed::follow_args("records"))
        .arg(
            flag("service", "SERVICE")
                .short('s')
                .help("Only records of this service, by name or id; app for those of no service"),
        )
        .arg(level.help("Only records of this level and above"))
        .arg(flag("grep", "TEXT").help("Only records with this text"))
        .args(several::args())
}

fn run(matches: &ArgMatches) -> ExitCode {
    let follow = feed::follow_of(matches, Follow::No);
    let of_several = several::is_asked(matches);
    let lines = if of_several && follow == Follow::No { Lines::sorted() } else { Lines::Out };
    several::follow(matches, &lines, async |operation, instance| {
        let mut printer =
            RecordPrinter { output: operation.output, instance, lines: lines.clone(), app_stops: false };
        watch(operation, follow, &mut printer).await
    })
}

async fn watch(operation: &Operation<'_>, follow: Follow, printer: &mut RecordPrinter) -> Outcome {
    let mut arguments = Map::new();
    for name in ["service", "level", "grep"] {
        if let Some(value) = operation.matches.get_one::<String>(name) {
            arguments.insert(name.to_owned(), value.clone().into());
        }
    }
    let feed = Feed { operation: "logs", arguments, only_new: false };
    match feed::watch(operation, &feed, follow, printer).await? {
        FeedEnd::Done => Ok(ExitCode::SUCCESS),
        FeedEnd::Unknown => {
            let why =
                "logs: this app is older than this command and keeps no records; look at its standard error";
            Err(Failure::new(Status::Failed, why))
        }
    }
}

/// A record of a log.
#[derive(Debug, Serialize)]
struct Record {
    number: u64,
    at: Moment,
    level: String,
    service: Option<String>,
    service_name: Option<String>,
    message: String,
    record: Value,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RecordLine<'a> {
    Record {
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
        #[serde(flatten)]
        record: &'a Record,
    },
    Missed {
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
        count: u64,
    },
}

impl Record {
    fn of(item: &Value) -> Self {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        Self {
            number: item.get("number").and_then(Value::as_u64).unwrap_or_default(),
            at: moment(item),
            level: text("level").map(cut).unwrap_or_default(),
            service: text("service").map(cut),
            service_name: text("service_name").map(cut),
            message: text("message").unwrap_or_default().to_owned(),
            record: item.get("record").cloned().unwrap_or_default(),
        }
    }

    fn is_of_a_stop(&self) -> bool {
        let event = self.record.get("event").and_then(Value::as_str);
        event.is_some_and(|event| event == APP_STOPPING.hex())
    }

    /// The record for people: time, level, service, message, and its own keys.
    fn shown(&self) -> String {
        let Some(fields) = self.record.as_object() else {
            // A log for people: the line has everything already.
            return one_line(&self.message, MOST);
        };
        let of = self.service_name.as_ref().or(self.service.as_ref());
        let of = of.map_or_else(String::new, |of| format!("{of}: "));
        let mut line = format!("{}  {:<5}  {of}{}", self.at, self.level, self.message);
        for (key, value) in fields.iter().filter(|(key, _)| !PLATFORM_KEYS.contains(&key.as_str())) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            line.push_str(&format!(", {key}: {value}"));
        }
        one_line(&line, MOST)
    }
}

/// Prints the records of one app.
struct RecordPrinter {
    output: Output,
    /// The app, if the command follows several.
    instance: Option<String>,
    lines: Lines,
    app_stops: bool,
}

impl RecordPrinter {
    fn prefixed(&self, line: &str) -> String {
        match &self.instance {
            Some(instance) => format!("{}  {line}", one_line(instance, 60)),
            None => line.to_owned(),
        }
    }
}

impl FeedPrinter for RecordPrinter {
    fn page(&mut self, page: FeedPage) -> Result<bool, Failure> {
        let FeedPage::Items { items, missed, first } = page else { return Ok(false) };
        let target = self.instance.as_deref();
        let records: Vec<_> = items.iter().map(Record::of).collect();
        let mut gone = false;
        if missed > 0 {
            let line = if self.output.json {
                json_line(&RecordLine::Missed { target, count: missed })
            } else {
                let many = counted(missed, "record");
                let why = if first {
                    "before these are no longer in memory"
                } else {
                    "were missed: they came faster than they were read"
                };
                self.prefixed(&format!("-- {many} {why}"))
            };
            gone |= self.lines.add(records.first().map_or(Moment(0), |record| record.at), line)?;
        }
        for record in &records {
            if gone {
                break;
            }
            let line = if self.output.json {
                json_line(&RecordLine::Record { target, record })
            } else {
                self.prefixed(&record.shown())
            };
            gone |= self.lines.add(record.at, line)?;
            self.app_stops |= record.is_of_a_stop();
        }
        Ok(gone || self.lines.flush()?)
    }

    fn note(&mut self, note: Note) -> Result<bool, Failure> {
        NoteLine { note: &note, target: self.instance.as_deref() }.print(self.output.json)
    }

    fn app_stops(&self) -> bool {
        self.app_stops
    }
}
