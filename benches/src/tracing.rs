//! What a span costs its caller: off, unsampled and sampled, beside two peers.
//!
//! The receiver of spans belongs to a whole process. So each candidate is a process that makes spans on request, and all of them take
//! turns. The exporters of the peers drop what they get; ours sends it to a collector that accepts everything.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{
    programs,
    report::Row,
    rounds::{Budget, Contender, Failure, in_turn},
    rows::Rows,
    rpc,
};

const OURS: &str = "app-tracing";
const OTEL: &str = "tracing-opentelemetry, SDK batch processor";
const FASTRACE: &str = "fastrace";
/// Spans in one round: fewer than the queues of all candidates hold.
const SPANS: u32 = 400;
/// Without a receiver a span takes about a nanosecond.
const SPANS_OFF: u32 = 100_000;
const BUDGET: Budget = Budget::new(201, 8);
const DEADLINE: Duration = Duration::from_secs(5);
/// The time that a candidate has for exporting between two rounds.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let collector = discard()?;
    let of = |who: &str, how: &str, spans: u32| SpanMaker::start(who, how, spans, collector);
    rows.begin("a sampled span with 5 attributes");
    let (mut ours, mut otel, mut fastrace) =
        (of("ours", "sampled", SPANS)?, of("otel", "sampled", SPANS)?, of("fastrace", "sampled", SPANS)?);
    let figures = in_turn(
        BUDGET,
        vec![
            Contender::new(OURS, || ours.round()),
            Contender::new(OTEL, || otel.round()),
            Contender::new(FASTRACE, || fastrace.round()),
        ],
    );
    let row = Row::new("a sampled span with 5 attributes, as its caller sees it", "ns", figures);
    rows.add(row.target_of(0.25, &[OTEL]).target_of(1.5, &[FASTRACE]));

    rows.begin("an unsampled span");
    let (mut ours, mut otel) = (of("ours", "unsampled", SPANS)?, of("otel", "unsampled", SPANS)?);
    let figures =
        in_turn(BUDGET, vec![Contender::new(OURS, || ours.round()), Contender::new(OTEL, || otel.round())]);
    rows.add(Row::new("an unsampled span with 5 attributes", "ns", figures).target(40.0));

    rows.begin("a span that is off");
    let mut ours = of("ours", "off", SPANS_OFF)?;
    let figures = in_turn(BUDGET, vec![Contender::new(OURS, || ours.round())]);
    rows.add(Row::new("a span that is off", "ns", figures).target(1.0));
    rpc::unsampled_rows(rows)
}

/// A process that makes spans when it is asked.
struct SpanMaker {
    process: Child,
    asks: ChildStdin,
    answers: Receiver<String>,
}

impl SpanMaker {
    fn start(who: &str, how: &str, spans: u32, collector: SocketAddr) -> Result<Self, Failure> {
        let mut process = Command::new(programs::path("peer_traces")?)
            .args([who, how, &spans.to_string()])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (asks, output) = process.stdin.take().zip(process.stdout.take()).ok_or("no pipes")?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Ok(Self { process, asks, answers })
    }

    /// Nanoseconds of one span for its caller.
    fn round(&mut self) -> Result<f64, Failure> {
        writeln!(self.asks)?;
        let took = self.answers.recv_timeout(DEADLINE)?.parse()?;
        thread::sleep(PAUSE);
        Ok(took)
    }
}

impl Drop for SpanMaker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A collector that accepts every request and keeps nothing.
fn discard() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || accept_all(stream));
        }
    });
    Ok(address)
}

fn accept_all(stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}
