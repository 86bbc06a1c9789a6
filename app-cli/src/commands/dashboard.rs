//! `appctl dashboard`: a web page that shows and operates all apps of the contexts file.
//!
//! `app-dashboard` has the page and its server. This module connects it with the apps: with their contexts, and with the
//! operator's certificate.

mod ask;
mod change;
mod fleet;
mod keys;
mod link;
mod open;
mod operations;
mod prompt;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use app_core::prelude::{Service, ServiceId};
use app_core::{AppBuilder, Identity, Log, LogLevel, Subcommand};
use app_dashboard::{Bound, Tokens};
use app_ids::{AppId, DomainId, InstanceId, ReleaseId};

use self::fleet::ContextApps;
use self::open::Opener;
use self::prompt::{Asked, Prompt};
use crate::contexts::Place;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::target::context_file;

const HELP: &str = "\
The command prints one line, the URL of the page, and serves until Ctrl-C. The URL has a token that is good once, and for a
minute. For a new one press Enter, or send SIGUSR1. The page is for this machine only; docs/DASHBOARD.md says how it is kept
safe, and how to come from another machine.

Examples:
  appctl dashboard                            all apps of the contexts file
  appctl dashboard --open                     in the browser at once
  appctl dashboard prod-eu prod-us            two contexts, or groups of contexts, only
  appctl dashboard --listen 127.0.0.1:8080";

/// File descriptors that the command needs: runtimes, signals, the server, and connections to a browser and to apps.
const DESCRIPTORS: usize = 64;

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let listen = Arg::new("listen").long("listen").value_name("ADDRESS").default_value("127.0.0.1:0");
    let open = Arg::new("open").long("open").action(ArgAction::SetTrue);
    let names = Arg::new("name").value_name("NAME").num_args(0..);
    Command::new("dashboard")
        .about("Serves a web page that shows and operates all apps of the contexts file")
        .after_help(HELP)
        .arg(names.help("Contexts and groups to show [default: all]"))
        .arg(
            listen
                .value_parser(app_dashboard::loopback)
                .help("Loopback address to listen on; port 0 is a free port"),
        )
        .arg(open.help("Open the page in the browser of $BROWSER, or of the desktop"))
        .arg(context_file())
}

fn run(matches: &ArgMatches) -> ExitCode {
    serve(matches).unwrap_or_else(|failure| output::report(&failure, false))
}

fn serve(matches: &ArgMatches) -> Outcome {
    let place = Place::of(matches)?;
    let names: Vec<String> = matches.get_many("name").unwrap_or_default().cloned().collect();
    let contexts = ContextApps::new(place.file, names)?;
    app_core::limits::check_descriptors(DESCRIPTORS).map_err(|error| Failure::failed(error.to_string()))?;
    let prompt = Prompt::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let outcome = runtime.block_on(serve_until_interrupted(matches, contexts, prompt));
    // Do not wait for a name lookup that is still running.
    runtime.shutdown_background();
    outcome
}

async fn serve_until_interrupted(matches: &ArgMatches, contexts: ContextApps, mut prompt: Prompt) -> Outcome {
    let listen = matches.get_one::<SocketAddr>("listen").copied();
    let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let failed = |error: io::Error| Failure::failed(format!("dashboard: {error}"));
    let bound = Bound::to(listen).await.map_err(failed)?;
    let service = service().map_err(|error| Failure::failed(format!("dashboard: {error}")))?;
    let (tokens, address) = (bound.tokens(), bound.address());
    let url = move |token: &str| format!("http://{address}/#token={token}");
    let mut opener = matches.get_flag("open").then(Opener::new);
    hand_out(&tokens, &url, opener.as_mut())?;
    let serving = bound.serve(&service, Arc::new(contexts));
    let mut serving = std::pin::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => {
                ended.map_err(|error| Failure::failed(format!("dashboard: {error}")))?;
                return Ok(ExitCode::SUCCESS);
            }
            asked = prompt.asked() => match asked {
                Asked::NewToken => hand_out(&tokens, &url, opener.as_mut())?,
                Asked::End => break,
            },
            () = async { tokens.spent().await }, if opener.as_ref().is_some_and(Opener::is_waiting) => {
                if let Some(opener) = &mut opener {
                    opener.forget();
                }
            }
        }
    }
    service.kill("done");
    // The connections to the apps close. They are given a moment, so that the apps do not count a loss.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), service.dead()).await;
    Ok(ExitCode::SUCCESS)
}

/// Makes a token, prints the URL, and opens it if that is wanted.
fn hand_out(
    tokens: &Tokens,
    url: &impl Fn(&str) -> String,
    opener: Option<&mut Opener>,
) -> Result<(), Failure> {
    let token = tokens.renew().map_err(|error| Failure::failed(format!("dashboard: {error}")))?;
    let url = url(&token);
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{url}").and_then(|()| out.flush());
    written.map_err(|error| Failure::failed(format!("standard output cannot be written: {error}")))?;
    drop(out);
    if let Some(opener) = opener
        && let Err(why) = opener.open(&url)
    {
        // The URL is printed, so the operator can go on.
        let _ = writeln!(io::stderr(), "note: the browser was not opened: {why}; open the URL above");
    }
    Ok(())
}

/// The service that owns the server and the connections. It belongs to an app without other services, whose log is discarded.
fn service() -> Result<Service, String> {
    let identity = Identity {
        domain: DomainId::new(0),
        app: AppId::new(0),
        release: ReleaseId::new(0),
        instance: InstanceId::random(),
    };
    let (log, _) = Log::captured(&identity, LogLevel::Error);
    let app = AppBuilder::new().identity(identity).services([]).log(log).build();
    let app = app.map_err(|error| error.to_string())?;
    Service::new(&app, ServiceId::random(), "dashboard").map_err(|error| error.to_string())
}
