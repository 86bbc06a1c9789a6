//! Commands that ask several apps: all of the contexts file, those of a group, or all instances of one.
//!
//! Apps are asked side by side, some at a time, each within `--timeout`. An app that cannot be asked is a row of its own.

use std::process::ExitCode;
use std::time::Duration;

use app_core::clap::{Arg, ArgAction, ArgMatches};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde::Serialize;
use tokio::time::Instant;

use crate::connect::{Session, instances};
use crate::contexts::{Address, Context, Place};
use crate::failure::{Failure, Outcome, Status};
use crate::feed::until_interrupted;
use crate::operation::{self, Operation};
use crate::output::{self, Lines, Output, Page, Paint, json_line, one_line};
use crate::target::{Target, several_contexts};

/// How many apps are asked at a time.
const AT_A_TIME: usize = 8;
/// Most apps that are followed at a time.
const MOST_FOLLOWED: usize = 64;
/// File descriptors that each app takes.
const DESCRIPTORS: usize = 8;

/// The flags that ask several apps.
pub(crate) fn args() -> [Arg; 2] {
    let all = Arg::new("all").long("all").action(ArgAction::SetTrue);
    let all_help = "Ask every app of the contexts file; of a named context, every address";
    let group = Arg::new("group").long("group").value_name("NAME");
    [all.help(all_help), group.help("Ask every app in this group of the contexts file")]
}

/// Whether the command line asks several apps: with `--all` or `--group`, or with a context that is a group.
pub(crate) fn is_asked(matches: &ArgMatches) -> bool {
    let is_group = || Place::of(matches).is_ok_and(|place| place.is_group());
    matches.get_flag("all") || matches.contains_id("group") || is_group()
}

/// An app among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) context: Option<String>,
    /// Its address, or all addresses of the context if they were not looked up.
    pub(crate) address: String,
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.context {
            Some(context) => write!(f, "{context}@{}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

/// What one app answered.
#[derive(Debug)]
pub(crate) struct Row<T> {
    pub(crate) instance: Instance,
    pub(crate) answer: Result<T, Failure>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnswerJson<'a, T> {
    Answer(&'a T),
    Failure { error: &'a str, status: u8 },
}

#[derive(Serialize)]
struct RowJson<'a, T> {
    target: &'a str,
    context: Option<&'a str>,
    #[serde(flatten)]
    answer: AnswerJson<'a, T>,
}

impl<T> Row<T> {
    /// The first cell of a table.
    pub(crate) fn cell(&self) -> (String, Paint) {
        (self.instance.to_string(), Paint::Plain)
    }
}

/// The cell of a table that says how an app failed to answer.
pub(crate) fn failed_cell(failure: &Failure) -> (String, Paint) {
    (failure.status.word().to_owned(), Paint::Bad)
}

/// Asks several apps, and prints their answers: one object on a line for each, or one page. The exit status is the worst of all;
/// `well` says whether an answer is good.
pub(crate) fn ask<T: Serialize>(
    matches: &ArgMatches,
    one: impl AsyncFn(&Operation<'_>, &Session) -> Result<T, Failure>,
    well: impl Fn(&T) -> bool,
    show: impl FnOnce(&[Row<T>], &mut Page),
) -> ExitCode {
    operation::run_bare(matches, async |output, time| {
        let one = &one;
        let asked = instances_of(matches, time).await?.into_iter().map(|(instance, target)| async move {
            let answer = match target {
                Ok(target) => ask_one(&Operation { matches, output, target, time }, one).await,
                Err(failure) => Err(failure),
            };
            Row { instance, answer }
        });
        let rows: Vec<Row<T>> = iter(asked).buffered(AT_A_TIME).collect().await;
        let status = |row: &Row<T>| match &row.answer {
            Ok(answer) if well(answer) => ExitCode::SUCCESS,
            Ok(_) => Status::AnswerIsNo.into(),
            Err(failure) => failure.status.into(),
        };
        let worst = rows.iter().map(status).fold(ExitCode::SUCCESS, instances::worse);
        let text = if output.json {
            rows.iter().map(|row| json_of(row) + "\n").collect()
        } else {
            let mut page = Page::new(output.colour);
            show(&rows, &mut page);
            page.text()
        };
        output::print_text(&text)?;
        Ok(worst)
    })
}

async fn ask_one<T>(
    operation: &Operation<'_>,
    one: &impl AsyncFn(&Operation<'_>, &Session) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let session = operation.connect().await?;
    let answer = one(operation, &session).await;
    session.close().await;
    answer
}

fn json_of<T: Serialize>(Row { instance, answer }: &Row<T>) -> String {
    let answer = match answer {
        Ok(answer) => AnswerJson::Answer(answer),
        Err(failure) => AnswerJson::Failure { error: &failure.message, status: failure.status as u8 },
    };
    json_line(&RowJson { target: &instance.address, context: instance.context.as_deref(), answer })
}

/// Follows the app of the command line, or several. `one` gets the name to show before each line if there are several.
pub(crate) fn follow(
    matches: &ArgMatches,
    lines: &Lines,
    one: impl AsyncFn(&Operation<'_>, Option<String>) -> Outcome,
) -> ExitCode {
    if !is_asked(matches) {
        return operation::run(matches, async |operation| until_interrupted(one(operation, None)).await);
    }
    operation::run_bare(matches, async |output, time| {
        until_interrupted(async {
            let instances = instances_of(matches, time).await?;
            if instances.len() > MOST_FOLLOWED {
                let many =
                    format!("{} apps are meant, at most {MOST_FOLLOWED}; name a group", instances.len());
                return Err(Failure::new(Status::Usage, many));
            }
            let one = &one;
            let followed = instances.into_iter().map(|(instance, target)| async move {
                let ended = match target {
                    Ok(target) => {
                        let operation = Operation { matches, output, target, time };
                        one(&operation, Some(instance.to_string())).await
                    }
                    Err(failure) => Err(failure),
                };
                ended.unwrap_or_else(|failure| report(&instance, &failure, output))
            });
            let ended: Vec<ExitCode> = iter(followed).buffer_unordered(MOST_FOLLOWED).collect().await;
            lines.end()?;
            Ok(ended.into_iter().fold(ExitCode::SUCCESS, instances::worse))
        })
        .await
    })
}

/// Reports that an app cannot be followed, and how the others go on.
fn report(instance: &Instance, failure: &Failure, output: Output) -> ExitCode {
    if output.json {
        let row = Row::<()> { instance: instance.clone(), answer: Err(failure.clone()) };
        // If standard output cannot be written, the others report it.
        let _ = output::print_text(&(json_of(&row) + "\n"));
    } else {
        output::say(&one_line(&format!("-- {instance}: {}", failure.message), 4096));
    }
    failure.status.into()
}

/// The apps that the command line names, each with one address, or with the failure to find it.
async fn instances_of(
    matches: &ArgMatches,
    time: Duration,
) -> Result<Vec<(Instance, Result<Target, Failure>)>, Failure> {
    app_core::limits::check_descriptors(DESCRIPTORS * AT_A_TIME)
        .map_err(|error| Failure::failed(error.to_string()))?;
    let contexts = several_contexts(matches)?;
    let found = contexts.into_iter().map(|(name, context)| behind(name, context, time));
    let found: Vec<Vec<_>> = iter(found).buffered(AT_A_TIME).collect().await;
    Ok(found.into_iter().flatten().collect())
}

async fn behind(
    name: Option<String>,
    context: Context,
    time: Duration,
) -> Vec<(Instance, Result<Target, Failure>)> {
    let all = context.address.to_string();
    let instance = |address: String| Instance { context: name.clone(), address };
    let target = match Target::load(&context) {
        Ok(target) => target,
        Err(failure) => return vec![(instance(all), Err(failure))],
    };
    let found = match instances::of(&target, true, Instant::now() + time).await {
        Ok(found) => found,
        Err(failure) => return vec![(instance(all), Err(failure))],
    };
    let of = |address: Address| {
        let shown = instance(address.to_string());
        (shown, Ok(Target { addresses: vec![address], ..target.clone() }))
    };
    found.into_iter().map(of).collect()
}
