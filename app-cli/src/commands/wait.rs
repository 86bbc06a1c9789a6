//! `appctl wait`: waits until an app is ready, healthy or gone.

use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

use app_core::Subcommand;
use app_core::clap::builder::PossibleValuesParser;
use app_core::clap::{Arg, ArgMatches, Command};
use schema::admin_capnp::app;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::answers::{Check, Identity, texts};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome, Status};
use crate::operation::{self, Operation, text};
use crate::output::human;
use crate::target::positive_time;

/// First and longest pause between two looks at the app.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Longest time for one look.
const LOOK: Duration = Duration::from_secs(5);

const HELP: &str = "\
The app need not be there yet: the command tries again until the time is over. It looks at most ten times a second at first,
and then once a second.

  ready     every service runs, and every critical check passes
  healthy   ready, and every check that is not paused passes
  stopped   nothing listens at the address, or another instance does than at the first look

Exit status 0 when it is so, 7 when the time is over. A failure that no waiting heals ends the command at once.

Examples:
  appctl wait ready
  appctl wait healthy --for 5m && echo go
  appctl kill -r 'release 7' --yes && appctl wait stopped --for 1m";

app_core::subcommand! { Subcommand::new(command, run) }

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Ready,
    Healthy,
    Stopped,
}

#[derive(Debug, Serialize)]
struct Waited {
    state: String,
    took_seconds: f64,
    /// `null` when the app has stopped and none answers.
    instance: Option<String>,
    address: Option<String>,
}

/// A look at the app.
enum Seen {
    /// It is as wanted.
    Yes { instance: Option<String>, address: Option<String> },
    /// It is not, and why.
    NotYet(String),
}

fn command() -> Command {
    let states = PossibleValuesParser::new(["ready", "healthy", "stopped"]);
    let state = Arg::new("state").value_name("STATE").required(true).value_parser(states);
    let time = Arg::new("for").long("for").value_name("TIME").default_value("1m").value_parser(positive_time);
    operation::command("wait", "Waits until an app is ready, healthy, or has stopped", HELP)
        .arg(state.help("What to wait for"))
        .arg(time.help("Longest time to wait"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    operation::run(matches, wait)
}

async fn wait(operation: &Operation<'_>) -> Outcome {
    let state = text(operation.matches, "state");
    let wanted = match state.as_str() {
        "ready" => Wanted::Ready,
        "healthy" => Wanted::Healthy,
        _ => Wanted::Stopped,
    };
    let limit = operation.matches.get_one::<Duration>("for").copied().unwrap_or(LOOK);
    let (begun, deadline) = (Instant::now(), Instant::now() + limit);
    let mut look = Look { operation, session: None, first: None };
    let mut pause = FIRST_PAUSE;
    let found = loop {
        let until = deadline.min(Instant::now() + LOOK);
        let why = match timeout(until.saturating_duration_since(Instant::now()), look.at(wanted, until)).await
        {
            Ok(Ok(Seen::Yes { instance, address })) => break Ok((instance, address)),
            Ok(Ok(Seen::NotYet(why))) => why,
            Ok(Err(failure)) if failure.status == Status::NotReached => failure.message,
            Ok(Err(failure)) => break Err(failure),
            Err(_) => "it does not answer".to_owned(),
        };
        if Instant::now() + pause >= deadline {
            let limit = human(limit);
            break Err(Failure::new(Status::NotInTime, format!("not {state} within {limit}: {why}")));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    look.close().await;
    let (instance, address) = found?;
    let waited = Waited { state, took_seconds: begun.elapsed().as_secs_f64(), instance, address };
    operation
        .output
        .print(&waited, |page| page.line(format!("{}, after {}", waited.state, human(begun.elapsed()))))
}

/// Looks at an app again and again, over one connection as long as it lasts.
struct Look<'a> {
    operation: &'a Operation<'a>,
    session: Option<Session>,
    /// The instance that was seen first.
    first: Option<String>,
}

impl Look<'_> {
    async fn at(&mut self, wanted: Wanted, until: Instant) -> Result<Seen, Failure> {
        if self.session.as_ref().is_some_and(|session| !session.is_connected())
            && let Some(lost) = self.session.take()
        {
            lost.close().await;
        }
        if wanted == Wanted::Stopped && self.session.is_none() && self.nothing_listens().await {
            return Ok(Seen::Yes { instance: None, address: None });
        }
        if self.session.is_none() {
            self.session = Some(Session::open(&self.operation.target, until).await?);
        }
        let Some(session) = &self.session else { return Ok(Seen::NotYet("it is not there".to_owned())) };
        let (identity, ready, reasons) = session.call_by(until, Effect::Reads, readiness).await?;
        let first = self.first.get_or_insert_with(|| identity.instance.clone());
        let seen = || Seen::Yes {
            instance: Some(identity.instance.clone()),
            address: Some(session.address.to_string()),
        };
        if wanted == Wanted::Stopped {
            let same = *first == identity.instance;
            return Ok(if same { Seen::NotYet("it still runs".to_owned()) } else { seen() });
        }
        if !ready {
            return Ok(Seen::NotYet(format!("not ready: {}", reasons.join("; "))));
        }
        if wanted == Wanted::Healthy {
            let checks = session.call_by(until, Effect::Reads, checks).await?;
            let bad = checks.iter().filter(|check| !check.paused && check.status.name() != "healthy");
            let bad: Vec<_> = bad.map(|check| format!("{} is {}", check.name, check.status.name())).collect();
            if !bad.is_empty() {
                return Ok(Seen::NotYet(format!("not healthy: {}", bad.join("; "))));
            }
        }
        Ok(seen())
    }

    /// Whether every address refuses connections. A certificate that one side refuses is no sign of a stop.
    async fn nothing_listens(&self) -> bool {
        for address in &self.operation.target.addresses {
            match TcpStream::connect((address.host.as_str(), address.port)).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                _ => return false,
            }
        }
        true
    }

    async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }
}

async fn readiness(app: app::Client) -> capnp::Result<(Identity, bool, Vec<String>)> {
    let (identity, readiness) =
        tokio::try_join!(app.identity_request().send().promise, app.readiness_request().send().promise)?;
    let readiness = readiness.get()?;
    let identity = Identity::of(identity.get()?.get_identity()?)?;
    Ok((identity, readiness.get_ready(), texts(readiness.get_reasons())?))
}

async fn checks(app: app::Client) -> capnp::Result<Vec<Check>> {
    let checks = app.health_request().send().pipeline.get_health().checks_request();
    let answer = checks.send().promise.await?;
    Check::all(answer.get()?.get_checks()?)
}
