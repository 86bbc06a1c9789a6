//! `appctl metrics`: the metrics of an app as they are now.
//!
//! The command of this name that `app-metrics` contributes prints what metrics mean; here it is `metrics --page`.

mod filter;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use app_core::Subcommand;
use app_core::clap::{Arg, ArgAction, ArgMatches, Command};
use schema::admin_capnp::{MetricsFormat, app};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use self::filter::Filter;
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Outcome};
use crate::operate::{self, Operation};
use crate::output::{json_line, replaced};
use crate::target::connection_args;

/// The most bytes that are collected, for JSON, as they are printed: escapes make six of one.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How long after the deadline the client itself says that it has passed.
const LATE: Duration = Duration::from_secs(1);
/// The most bytes of a line.
const MOST_LINE: usize = 1024 * 1024;

const HELP: &str = "\
Examples:
  appctl metrics
  appctl metrics --filter quota                   metrics with this in their name, help or labels
  appctl metrics --openmetrics | promtool check metrics
  appctl metrics --page                           what metrics mean, of no app in particular";

#[derive(Debug, Serialize)]
struct Metrics {
    format: &'static str,
    text: String,
}

/// The linked command, and what asks over RPC.
pub(crate) fn extend(linked: Command) -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let filter = Arg::new("filter").long("filter").value_name("TEXT").action(ArgAction::Append);
    let page = flag("page").conflicts_with_all(["openmetrics", "filter", "json"]);
    linked
        .about("Prints the metrics of a running app, as /metrics shows them")
        .after_help(HELP)
        .args(connection_args())
        .arg(flag("openmetrics").help("As OpenMetrics text 1.0 [default: Prometheus' text format 0.0.4]"))
        .arg(filter.help("Only metrics with this text in their name, help or labels; of several any"))
        .arg(page.help("Prints what metrics mean (Markdown), and asks no app"))
}

/// Runs it; `all` is the whole command line, of which `matches` is the part of `metrics`.
pub(crate) fn run(all: &ArgMatches, matches: &ArgMatches) -> ExitCode {
    if matches.get_flag("page") {
        return Subcommand::dispatch(all).unwrap_or(ExitCode::from(2));
    }
    operate::ask(matches, print)
}

async fn print(operation: &Operation<'_>, session: &Session) -> Outcome {
    let openmetrics = operation.matches.get_flag("openmetrics");
    let texts = operation.matches.get_many::<String>("filter").unwrap_or_default();
    let mut filter = Filter::new(texts.cloned().collect());
    let format = if openmetrics { MetricsFormat::OpenMetrics } else { MetricsFormat::Text };
    let (pieces, arriving) = mpsc::channel(4);
    let asking = session.call(Effect::Looks, move |app| read(app, format, pieces.clone()));
    let mut out = Out::new(operation.output.json);
    // A thread of the client that is blocked would keep the other end of the channel.
    let writing = timeout_at(session.deadline + LATE, write_all(arriving, &mut filter, &mut out));
    let (asked, printed) = tokio::join!(asking, writing);
    if let Ok(printed) = printed {
        printed?;
    }
    asked?;
    match out {
        Out::Lines => Ok(ExitCode::SUCCESS),
        Out::Json { text, .. } => {
            let metrics = Metrics { format: if openmetrics { "openmetrics" } else { "text" }, text };
            operation.output.print(&metrics, |_| {})
        }
    }
}

/// Writes what arrives, line by line. Who can't write any more takes no more, which ends the reading.
async fn write_all(
    mut arriving: mpsc::Receiver<Vec<u8>>,
    filter: &mut Filter,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut rest = Vec::new();
    while let Some(piece) = arriving.recv().await {
        rest.extend_from_slice(&piece);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        if out.write(filter, &lines)? {
            return Ok(());
        }
        if rest.len() > MOST_LINE {
            return Err(Failure::failed(format!("a line of the metrics has more than {MOST_LINE} bytes")));
        }
    }
    out.write(filter, &rest).map(|_| ())
}

/// Reads the whole text, piece by piece, as fast as it is printed.
async fn read(app: app::Client, format: MetricsFormat, pieces: mpsc::Sender<Vec<u8>>) -> capnp::Result<()> {
    let mut request = app.metrics_request();
    request.get().set_format(format);
    let reader = request.send().pipeline.get_text();
    loop {
        let answer = reader.read_request().send().promise.await?;
        let answer = answer.get()?;
        if pieces.send(answer.get_piece()?.to_vec()).await.is_err() || answer.get_end() {
            return Ok(());
        }
    }
}

/// Where lines go.
enum Out {
    /// Standard output.
    Lines,
    /// Into an object.
    Json {
        text: String,
        /// What it takes when it is printed.
        printed: usize,
    },
}

impl Out {
    fn new(json: bool) -> Self {
        if json { Self::Json { text: String::new(), printed: 0 } } else { Self::Lines }
    }

    /// Writes those lines that are wanted. Whether nobody reads them any more.
    fn write(&mut self, filter: &mut Filter, lines: &[u8]) -> Result<bool, Failure> {
        let wanted = filter.lines(&String::from_utf8_lossy(lines));
        match self {
            Self::Json { text, printed } => {
                *printed += json_line(&wanted).len();
                if *printed > MOST_BYTES {
                    let why = format!("the metrics have more than {MOST_BYTES} bytes: use --filter");
                    return Err(Failure::failed(why));
                }
                text.push_str(&wanted);
                Ok(false)
            }
            Self::Lines => match io::stdout().lock().write_all(replaced(&wanted).as_bytes()) {
                Ok(()) => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
                Err(error) => Err(Failure::failed(format!("cannot write the output: {error}"))),
            },
        }
    }
}
