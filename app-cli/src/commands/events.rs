//! `appctl events`: what happened in an app, and what happens.

mod old;
mod printer;
mod stream;

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::{Subcommand, args};
use serde_json::Map;

use self::printer::Printer;
use crate::failure::{Failure, Outcome, Status};
use crate::feed::{self, FOR_EVER, Feed, FeedEnd, Follow};
use crate::operation::{self, Operation};
use crate::output::{self, Lines, one_line};
use crate::several;

/// Time to watch without --follow.
const DEFAULT_TIME: Duration = Duration::from_secs(10);

const HELP: &str = "\
The command shows the last 1,000 events of the app, each with its number, and then the new ones: within --for, or with
--follow until Ctrl-C (exit status 0) or until the app stops (exit status 0). If the connection is lost, --follow
reconnects, says so, and goes on where it was.

Examples:
  appctl events --no-follow               what happened so far
  appctl events --follow
  appctl events --follow --new            without what happened so far
  appctl events --follow --json | jq -r 'select(.type == \"event\") | .message'
  appctl events --for 1m --count 10
  appctl events --no-follow --group prod  of all apps in a group";

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let count =
        Arg::new("count").long("count").short('n').value_name("N").value_parser(args::number(1..=u64::MAX));
    let new = Arg::new("new").long("new").action(ArgAction::SetTrue).conflicts_with("no-follow");
    operation::command("events", "Shows the events of a running app: its services, its health checks", HELP)
        .args(feed::follow_args("events"))
        .arg(count.help("End after this number of events"))
        .arg(new.help("Only new events; leave out those that are there"))
        .args(several::args())
        .mut_arg("for", |arg| arg.help("Time to watch [default: 10s]"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    let follow = feed::follow_of(matches, Follow::For(DEFAULT_TIME));
    let left = Rc::new(Cell::new(matches.get_one::<u64>("count").copied().unwrap_or(u64::MAX)));
    let of_several = several::is_asked(matches);
    // Events of several apps that are all there are shown in the order of their times.
    let lines = if of_several && follow == Follow::No { Lines::sorted() } else { Lines::Out };
    several::follow(matches, &lines, async |operation, instance| {
        let mut printer = Printer::new(operation.output, Rc::clone(&left), instance, lines.clone());
        watch(operation, &mut printer, follow).await
    })
}

async fn watch(operation: &Operation<'_>, printer: &mut Printer, follow: Follow) -> Outcome {
    let only_new = operation.matches.get_flag("new");
    let feed = Feed { operation: "events", arguments: Map::new(), only_new };
    match feed::watch(operation, &feed, follow, printer).await? {
        FeedEnd::Done => Ok(ExitCode::SUCCESS),
        FeedEnd::Unknown => watch_old(operation, printer, follow).await,
    }
}

/// Watches an app that keeps no journal.
async fn watch_old(operation: &Operation<'_>, printer: &mut Printer, follow: Follow) -> Outcome {
    let time = match follow {
        Follow::No => {
            let why = "this app is older than this command and keeps no events; use --follow, or --for TIME";
            return Err(Failure::new(Status::Failed, why));
        }
        Follow::For(time) => time,
        Follow::Forever => FOR_EVER,
    };
    output::say(&one_line("-- this app is older than this command: events before now are not shown", 200));
    old::watch(operation, printer, time).await
}
