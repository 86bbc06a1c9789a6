//! `appctl metrics`: the current metrics of an app.
//!
//! `app-metrics` contributes a command `metrics`, which explains the metrics. Here it is `metrics --page`.

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
use crate::operation::{self, Operation};
use crate::output::{json_line, replaced};
use crate::target::connection_args;

/// Most bytes collected for JSON, counted as printed, because an escape turns one byte into six.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// Time after the deadline in which the client reports the timeout by itself.
const LATE: Duration = Duration::from_secs(1);
/// Longest line in bytes.
const MOST_LINE: usize = 1024 * 1024;

const HELP: &str = "\
Examples:
  appctl metrics
  appctl metrics --filter quota                   metrics with this text in their name, help or labels
  appctl metrics --filter app_service_up          the help begins with the readable name, so that name finds it, too
  appctl metrics --openmetrics | promtool check metrics
  appctl metrics --page                           the meaning of all metrics; asks no app";

#[derive(Debug, Serialize)]
struct Metrics {
    format: &'static str,
    text: String,
}

/// Adds the form over RPC to the linked command.
pub(crate) fn extend(linked: Command) -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let filter = Arg::new("filter").long("filter").value_name("TEXT").action(ArgAction::Append);
    let page = flag("page").conflicts_with_all(["openmetrics", "filter", "json"]);
    linked
        .about("Prints the metrics of a running app, as /metrics does")
        .after_help(HELP)
        .args(connection_args())
        .arg(flag("openmetrics").help("Print OpenMetrics text 1.0 [default: Prometheus text format 0.0.4]"))
        .arg(filter.help(
            "Only metrics with this text in their name, readable name, help or labels; repeat for more texts",
        ))
        .arg(page.help("Print the meaning of all metrics (Markdown); asks no app"))
}

/// Runs the command. `all` is the whole command line, and `matches` its part for `metrics`.
pub(crate) fn run(all: &ArgMatches, matches: &ArgMatches) -> ExitCode {
    if matches.get_flag("page") {
        return Subcommand::dispatch(all).unwrap_or(ExitCode::from(2));
    }
    operation::ask(matches, print)
}

async fn print(operation: &Operation<'_>, session: &Session) -> Outcome {
    let openmetrics = operation.matches.get_flag("openmetrics");
    let texts = operation.matches.get_many::<String>("filter").unwrap_or_default();
    let mut filter = Filter::new(texts.cloned().collect());
    let format = if openmetrics { MetricsFormat::OpenMetrics } else { MetricsFormat::Text };
    let (pieces, arriving) = mpsc::channel(4);
    let asking = session.call(Effect::Reads, move |app| read(app, format, pieces.clone()));
    let mut out = Out::new(operation.output.json);
    // The timeout is needed because a blocked thread of the client would keep the channel open.
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

/// Writes the pieces line by line. If the output fails, it drops the channel, which ends the reading.
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
            return Err(Failure::failed(format!("metrics: a line has more than {MOST_LINE} bytes")));
        }
    }
    out.write(filter, &rest).map(|_| ())
}

/// Reads the whole text in pieces, as fast as it is printed.
pub(super) async fn read(
    app: app::Client,
    format: MetricsFormat,
    pieces: mpsc::Sender<Vec<u8>>,
) -> capnp::Result<()> {
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

/// The destination of lines.
enum Out {
    /// Standard output.
    Lines,
    /// A JSON object.
    Json {
        text: String,
        /// Size of the text when it is printed as JSON.
        printed: usize,
    },
}

impl Out {
    fn new(json: bool) -> Self {
        if json { Self::Json { text: String::new(), printed: 0 } } else { Self::Lines }
    }

    /// Writes the lines that the filter selects. Returns whether the reader has gone.
    fn write(&mut self, filter: &mut Filter, lines: &[u8]) -> Result<bool, Failure> {
        let wanted = filter.lines(&String::from_utf8_lossy(lines));
        match self {
            Self::Json { text, printed } => {
                *printed += json_line(&wanted).len();
                if *printed > MOST_BYTES {
                    let why = format!("metrics: there are more than {MOST_BYTES} bytes; use --filter");
                    return Err(Failure::failed(why));
                }
                text.push_str(&wanted);
                Ok(false)
            }
            Self::Lines => match io::stdout().lock().write_all(replaced(&wanted).as_bytes()) {
                Ok(()) => Ok(false),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
                Err(error) => Err(Failure::failed(format!("standard output cannot be written: {error}"))),
            },
        }
    }
}
