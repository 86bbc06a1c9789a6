//! `appctl kill`: stops an app.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::{Subcommand, args};
use schema::admin_capnp::app;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::answers::Identity;
use crate::connect::{Effect, Session};
use crate::contexts::Address;
use crate::failure::{Failure, Outcome, Status};
use crate::operation::{self, Operation};
use crate::output::{human, one_line};
use crate::target::{Target, positive_time};

/// Interval at which `--wait` checks whether the app is gone.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest time to connect to an app that may be gone.
const LOOK: Duration = Duration::from_secs(2);
/// Longest drain delay that apps accept.
const MOST_DELAY: Duration = Duration::from_secs(3600);

const HELP: &str = "\
On a terminal the command asks for confirmation, unless you give --yes. Role: admin.

Examples:
  appctl kill --reason 'release 7 is out'
  appctl kill --reason 'node is drained' --drain-delay 5s --yes --wait
  appctl kill --context '#prod' --reason 'stuck' --wait=30s --json
  appctl kill --context '#prod' --reason 'the end' --yes --all     all instances, one after another";

app_core::subcommand! { Subcommand::new(command, run) }

#[derive(Debug, Serialize)]
struct Killed {
    name: String,
    instance: String,
    address: String,
    /// `true` if the command waited until the app was gone.
    gone: Option<bool>,
    took_seconds: Option<f64>,
}

fn command() -> Command {
    let delay = Arg::new("drain-delay")
        .long("drain-delay")
        .value_name("TIME")
        .value_parser(args::duration_between(Duration::ZERO..=MOST_DELAY));
    let delay_help =
        "Time that the app keeps serving after it reports \"not ready\" [default: the app's own]";
    let wait = Arg::new("wait").long("wait").value_name("TIME").value_parser(positive_time);
    let wait = wait.num_args(0..=1).require_equals(true).default_missing_value("3m");
    let yes = Arg::new("yes").long("yes").short('y').action(ArgAction::SetTrue);
    operation::command("kill", "Stops a running app gracefully", HELP)
        .args(operation::change_args())
        .arg(delay.help(delay_help))
        .arg(wait.help("Wait until the app is gone, at most this time [default of TIME: 3m]"))
        .arg(yes.help("Do not ask for confirmation"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::change(matches, kill)
}

async fn kill(operation: &Operation<'_>, session: &Session) -> Outcome {
    let matches = operation.matches;
    let identity = session.call(Effect::Reads, identity).await?;
    if !matches.get_flag("yes") && io::stdin().is_terminal() && io::stderr().is_terminal() {
        confirm(&identity)?;
    }
    let (reason, delay) = (operation::reason(matches), matches.get_one::<Duration>("drain-delay").copied());
    let end = move |app: app::Client| {
        let mut request = app.end_request();
        let mut params = request.get();
        params.set_reason(&reason);
        if let Some(delay) = delay {
            params.set_use_drain_delay(true);
            params.set_drain_delay_millis(u32::try_from(delay.as_millis()).unwrap_or(u32::MAX));
        }
        async move { request.send().promise.await.map(|_| ()) }
    };
    // The confirmation may take longer than the deadline, so the time starts now.
    let (begun, deadline) = (Instant::now(), Instant::now() + operation.time);
    session.call_by(deadline, Effect::Changes, end).await?;
    let mut killed = Killed {
        name: identity.name.clone(),
        instance: identity.instance.clone(),
        address: session.address.to_string(),
        gone: None,
        took_seconds: None,
    };
    if let Some(limit) = matches.get_one::<Duration>("wait") {
        gone(operation, session, &identity, *limit).await?;
        killed.gone = Some(true);
        killed.took_seconds = Some(begun.elapsed().as_secs_f64());
    }
    operation.output.print(&killed, |page| {
        let (name, instance) = (&killed.name, &killed.instance);
        page.line(match killed.gone {
            Some(_) => format!("{name} (instance {instance}) is gone, after {}", human(begun.elapsed())),
            None => format!("{name} (instance {instance}) was told to stop"),
        });
    })
}

pub(super) async fn identity(app: app::Client) -> capnp::Result<Identity> {
    let answer = app.identity_request().send().promise.await?;
    Identity::of(answer.get()?.get_identity()?)
}

/// Asks for confirmation on the terminal.
fn confirm(identity: &Identity) -> Result<(), Failure> {
    let who = format!("{} (instance {}, on {})", identity.name, identity.instance, identity.host);
    let mut err = io::stderr().lock();
    // If this fails, there is no answer, which counts as no.
    let _ = write!(err, "stop {}? [y/N] ", one_line(&who, 400));
    let _ = err.flush();
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::failed("kill: not done; the answer was no"))
    }
}

/// Waits until nothing answers at the address of the app, or another instance answers.
async fn gone(
    operation: &Operation<'_>,
    session: &Session,
    killed: &Identity,
    limit: Duration,
) -> Result<(), Failure> {
    let deadline = Instant::now() + limit;
    let address = Address { host: session.address.ip().to_string(), port: session.address.port() };
    let target = Target { addresses: vec![address], ..operation.target.clone() };
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if Instant::now() >= deadline {
            let (name, limit) = (&killed.name, human(limit));
            let message =
                format!("{}: {name} was told to stop, and is still there after {limit}", session.address);
            return Err(Failure::new(Status::Unknown, message));
        }
        // The connection stays open as long as the app runs.
        if session.is_connected() {
            continue;
        }
        let Ok(other) = Session::open(&target, (Instant::now() + LOOK).min(deadline)).await else {
            return Ok(());
        };
        let now = other.call(Effect::Reads, identity).await;
        other.close().await;
        if now.is_ok_and(|now| now.instance != killed.instance) {
            return Ok(());
        }
    }
}
