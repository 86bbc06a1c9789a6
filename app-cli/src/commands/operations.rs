//! `appctl do`: lists the operations of an app, and calls one of them.
//!
//! The flags of an operation are known only once the app has described it. So the command line is read in two steps: `words` finds
//! the flags that every operation has, which say where the app is. Then `flags` makes a command from the schema of the arguments,
//! and reads the rest.

mod call;
mod flags;
mod job;
mod result;
mod words;

use std::process::ExitCode;

use app_core::Subcommand;
use app_core::clap::builder::NonEmptyStringValueParser;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use schema::admin_capnp::app;
use serde::Serialize;
use serde_json::Value;

use self::flags::CallFlags;
use self::words::Words;
use crate::answers::{OperationInfo, elements};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::lookup;
use crate::operation::{self, Operation};
use crate::output::{self, Hex, Output, Page, Paint, Table};

const ABOUT: &str = "Lists what operators may ask of a running app and its services, and asks it";
const HELP: &str = "\
The flags of an operation come after its service and its name. Names of services are those of 'appctl services'; the app itself is
'app'.

Examples:
  appctl do                                                     every operation, with the role that it needs
  appctl do quota                                               the operations of one service
  appctl do quota forget --help                                 the flags of one operation
  appctl do quota forget --rule default --reason 'ticket 71'
  appctl do quota forget --args '{\"rule\":\"default\"}' --reason 'ticket 71' --json
  appctl do quota forget --args @arguments.json --reason 'ticket 71'
  appctl do app jobs                                            the jobs that run, and the last ones";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct OperationList {
    operations: Vec<OperationInfo>,
}

/// An operation as the app described it.
struct Described {
    info: OperationInfo,
    /// The schema of its arguments.
    arguments: Value,
    /// The schema of its result.
    results: Value,
}

/// The command with the flags that every operation has.
fn base() -> Command {
    let reason = Arg::new("reason")
        .long("reason")
        .short('r')
        .value_name("TEXT")
        .value_parser(NonEmptyStringValueParser::new())
        .help("The reason, for the log of the app; required unless the operation only reads");
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let args = Arg::new("args")
        .long("args")
        .value_name("JSON|@FILE")
        .help("Arguments as a JSON object, or @FILE, or @- for standard input; flags add to them");
    let id = Arg::new("request-id")
        .long("request-id")
        .value_name("ID")
        .help("A repeated call with this id answers with the result of the first one [default: a new id]");
    operation::command("do", ABOUT, HELP).args([
        reason,
        flag("yes", "Confirm that something may be destroyed").short('y'),
        args,
        id,
        flag("no-wait", "Print the id of a job, and do not wait for its end"),
        flag("all", "Call every address, one after another [default: there must be one address, unless it only reads]"),
    ])
}

fn command() -> Command {
    let words = Arg::new("words")
        .value_name("SERVICE OPERATION FLAGS")
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .help("Service and operation, then the flags of the operation [default: list all]");
    base().arg(words)
}

fn run(matches: &ArgMatches) -> ExitCode {
    let read = Words::of(matches, &base());
    let words = match read {
        Ok(words) => words,
        Err(failure) => return output::report(&failure, matches.get_flag("json")),
    };
    if words.wants_general_help() {
        return flags::print_help(base().bin_name("appctl do"));
    }
    operation::run(&words.matches, async |operation| perform(operation, &words).await)
}

async fn perform(operation: &Operation<'_>, words: &Words) -> Outcome {
    let session = operation.connect().await?;
    let outcome = ask(operation, &session, words).await;
    session.close().await;
    let Some((described, given)) = outcome? else { return Ok(ExitCode::SUCCESS) };
    let described = &described;
    let given = &given;
    if described.info.only_reads() && !operation.matches.get_flag("all") {
        let session = operation.connect().await?;
        let outcome = call::call(operation, &session, described, given).await;
        session.close().await;
        return outcome;
    }
    operation::change_in(operation, async |operation, session| {
        call::call(operation, session, described, given).await
    })
    .await
}

/// Asks the app what there is. `None` if that was all.
async fn ask(
    operation: &Operation<'_>,
    session: &Session,
    words: &Words,
) -> Result<Option<(Described, CallFlags)>, Failure> {
    let Some(service) = &words.service else {
        list(operation.output, all(session).await?)?;
        return Ok(None);
    };
    let mut operations = all(session).await?;
    let mut known: Vec<_> = operations.iter().map(|info| (info.service, info.service_name.clone())).collect();
    known.dedup();
    let id = lookup::find("service with operations", service, &known)?;
    operations.retain(|info| info.service == id);
    let Some(name) = &words.operation else {
        list(operation.output, operations)?;
        return Ok(None);
    };
    let described = describe(session, id, name).await?;
    match flags::read(&described, words, operation.matches)? {
        flags::Read::Help(text) => {
            app_core::write_output(|out| std::io::Write::write_all(out, text.as_bytes()));
            Ok(None)
        }
        flags::Read::CallFlags(given) => Ok(Some((described, given))),
    }
}

/// The operations of the app, ordered by service and name.
async fn all(session: &Session) -> Result<Vec<OperationInfo>, Failure> {
    let asked = session.call(Effect::Reads, |app: app::Client| async move {
        let answer = app.operations_request().send().promise.await?;
        elements(answer.get()?.get_operations()?, OperationInfo::of)
    });
    asked.await.map_err(too_old)
}

/// An app without these methods has an error of its own.
fn too_old(failure: Failure) -> Failure {
    match failure.message.find("the app does not know this command") {
        Some(at) => {
            let message = format!(
                "{}this application is too old for operations; use the commands that it has (appctl --help), or update it",
                &failure.message[..at]
            );
            Failure { message, ..failure }
        }
        None => failure,
    }
}

async fn describe(session: &Session, service: Hex, name: &str) -> Result<Described, Failure> {
    let name = name.to_owned();
    let asked = session.call(Effect::Reads, move |app: app::Client| {
        let mut request = app.describe_operation_request();
        request.get().set_service_id(service.0);
        request.get().set_name(&name);
        async move {
            let answer = request.send().promise.await?;
            let answer = answer.get()?;
            let whole = |text: capnp::Result<capnp::text::Reader<'_>>| -> capnp::Result<String> {
                Ok(text?.to_string()?)
            };
            Ok((
                OperationInfo::of(answer.get_operation()?)?,
                whole(answer.get_arguments())?,
                whole(answer.get_results())?,
            ))
        }
    });
    let (info, arguments, results) = asked.await.map_err(too_old)?;
    let schema = |text: &str| {
        serde_json::from_str(text).map_err(|error| {
            Failure::failed(format!(
                "{}: the app describes {} in no JSON: {error}",
                session.address, info.name
            ))
        })
    };
    Ok(Described { arguments: schema(&arguments)?, results: schema(&results)?, info })
}

fn list(output: Output, operations: Vec<OperationInfo>) -> Outcome {
    let list = OperationList { operations };
    output.print(&list, |page| show(&list.operations, page))
}

fn show(operations: &[OperationInfo], page: &mut Page) {
    let mut table = Table::new(["SERVICE", "OPERATION", "ROLE", "EFFECT", "ABOUT"]);
    for info in operations {
        let plain = |text: &str| (text.to_owned(), Paint::Plain);
        let role = if info.may_call {
            plain(info.role)
        } else {
            (format!("{} (not yours)", info.role), Paint::Warning)
        };
        let effect = if info.job { format!("{}, as a job", info.effect) } else { info.effect.to_owned() };
        let paint = if info.effect == "destroys" { Paint::Bad } else { Paint::Plain };
        table.row([plain(&info.service_name), plain(&info.name), role, (effect, paint), plain(&info.about)]);
    }
    page.table(&table);
    if operations.iter().any(|info| !info.may_call) {
        page.line("not yours: the role of your certificate is too low");
    }
}

/// A usage error of this command.
fn usage(message: impl std::fmt::Display) -> Failure {
    Failure::new(Status::Usage, message)
}

#[cfg(test)]
mod tests {
    use app_core::operations::RESERVED_FLAGS;

    #[test]
    fn every_flag_of_the_command_is_reserved() {
        let mut command = super::base();
        command.build();
        let flags: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
        assert!(flags.len() > 15, "{flags:?}");
        for flag in flags {
            assert!(RESERVED_FLAGS.contains(&flag), "--{flag}");
        }
    }
}
