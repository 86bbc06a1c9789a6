//! Whole processes, measured from outside: the time from exec to ready and from SIGTERM to exit, the memory in between, and the
//! size of the program.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use app_core::events;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    programs,
    report::{Figure, Row},
    rounds::{Budget, Contender, Failure, in_turn},
    rows::Rows,
};

const OURS: &str = "platform";
/// The programs. Each has the text in its output that shows that it is ready.
const PEERS: [(&str, &str, &str); 3] = [
    ("foundations", "peer_foundations", "ready"),
    ("tokio-graceful-shutdown", "peer_lifecycle", "ready"),
    ("bare tokio", "peer_tokio", "ready"),
];
const SIZES: [u64; 4] = [10, 100, 1_000, 10_000];
/// Deadline for a process.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Run {
    ready: f64,
    exit: f64,
    resident: f64,
}

pub(crate) fn rows(rows: &mut Rows) -> Result<(), Failure> {
    let config_dir = tempfile::tempdir()?;
    any_port(config_dir.path())?;
    let mut ours = Vec::new();
    for services in SIZES {
        rows.begin(&format!("processes of {services} services"));
        let figures = runs(services, config_dir.path());
        let [ready, exit, resident] = [|run: &Run| run.ready, |run: &Run| run.exit, |run: &Run| run.resident]
            .map(|part| figures.iter().map(|(figure, runs)| part_of(figure, runs, part)).collect::<Vec<_>>());
        let row = |work: &str, unit: &str, figures: Vec<Figure>, bound: f64| {
            let row = Row::new(format!("{work}, {services} services"), unit, figures);
            if services == 10 { row.target(bound) } else { row }
        };
        ours.push(
            [&ready, &exit, &resident].map(|part| part.first().and_then(Figure::spread).map(|s| s.median)),
        );
        rows.add(row("exec to ready", "ms", ready, 5.0));
        rows.add(row("SIGTERM to exit", "ms", exit, 3.0));
        rows.add(row("resident set", "MB", resident, 8.0));
    }
    for (at, (what, unit)) in
        [("exec to ready", "us"), ("SIGTERM to exit", "us"), ("resident set", "kB")].into_iter().enumerate()
    {
        linear(rows, what, unit, &ours.iter().map(|medians| medians[at]).collect::<Vec<_>>());
    }
    size(rows)
}

/// The memory that one service adds, from 10 to 10,000 services, compared with the same from 10 to 1,000.
fn linear(rows: &mut Rows, what: &str, unit: &str, medians: &[Option<f64>]) {
    let [Some(ten), _, Some(thousand), Some(most)] = medians[..] else { return };
    let (of_thousand, of_most) = ((thousand - ten) / 990.0, (most - ten) / 9_990.0);
    let figure = |value: f64| vec![Figure { rounds: vec![Some(value)], ..Figure::new(OURS) }];
    rows.add(Row::new(format!("{what}, for each service of 10,000"), unit, figure(of_most * 1e3)));
    let ratio =
        Row::new(format!("{what}, one of 10,000 to one of 1,000"), "x", figure(of_most / of_thousand));
    rows.add(ratio.target(1.5));
}

fn part_of(figure: &Figure, runs: &[Run], part: fn(&Run) -> f64) -> Figure {
    // The first round warms up.
    let rounds = runs.iter().skip(1).map(|run| Some(part(run))).collect();
    Figure { who: figure.who.clone(), rounds, failed: figure.failed.clone() }
}

/// The result of each round of each program, and the figures of programs that failed.
fn runs(services: u64, config_dir: &Path) -> Vec<(Figure, Vec<Run>)> {
    let kept: Vec<RefCell<Vec<Run>>> = (0..=PEERS.len()).map(|_| RefCell::default()).collect();
    let event = format!("\"event\":\"{}\"", events::APP_STARTED);
    let keep = |at: usize, run: Run| {
        kept[at].borrow_mut().push(run);
        Ok(run.ready)
    };
    let mut contenders = vec![Contender::new(OURS, || {
        let mut command = program("platform", services)?;
        command.args(["--log-level=INFO", "--config-dir"]).arg(config_dir);
        keep(0, measure(command, &event)?)
    })];
    for (at, (who, name, ready)) in PEERS.iter().enumerate() {
        contenders.push(Contender::new(who, move || keep(at + 1, measure(program(name, services)?, ready)?)));
    }
    let figures = in_turn(Budget::new(31, 15), contenders);
    figures.into_iter().zip(kept.into_iter().map(RefCell::into_inner)).collect()
}

fn program(name: &str, services: u64) -> Result<Command, Failure> {
    let mut command = Command::new(programs::path(name)?);
    command.env("BENCH_SERVICES", services.to_string());
    Ok(command)
}

/// A config of the metrics service with any free port, so that runs do not wait for each other.
fn any_port(dir: &Path) -> Result<(), Failure> {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<schema::metrics_capnp::metrics_service_spec::Builder<'_>>().set_http_port(0);
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file)?;
    fs::write(dir.join(format!("{:#x}", app_metrics::METRICS_SERVICE_ID)), file)?;
    Ok(())
}

/// A process that is killed when this value is dropped.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(mut command: Command, ready: &str) -> Result<Run, Failure> {
    let began = Instant::now();
    let mut process =
        Owned(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
    let (log, ready) = (process.0.stderr.take().ok_or("no log")?, ready.to_owned());
    let (sender, events) = mpsc::channel();
    // Reads to the end, so that the pipe never fills. The end of the log is the end of the process.
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if line.contains(&ready) {
                let _ = sender.send(began.elapsed());
            }
        }
    });
    let ready = events.recv_timeout(DEADLINE).map_err(|_| "it was never ready")?;
    let resident = resident(process.0.id())?;
    let asked = Instant::now();
    kill(Pid::from_raw(i32::try_from(process.0.id())?), Signal::SIGTERM)?;
    while events.recv_timeout(DEADLINE.saturating_sub(asked.elapsed())).is_ok() {}
    if asked.elapsed() >= DEADLINE {
        return Err("it did not end after SIGTERM".into());
    }
    let status = process.0.wait()?;
    let exit = asked.elapsed();
    reader.join().map_err(|_| "its log could not be read")?;
    if !status.success() {
        return Err(format!("it ended with {status}").into());
    }
    Ok(Run { ready: ready.as_secs_f64() * 1e3, exit: exit.as_secs_f64() * 1e3, resident })
}

/// Memory in megabytes of a million bytes.
fn resident(process: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident set")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}

/// Sizes of the programs without their line tables.
fn size(rows: &mut Rows) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let stripped = |name: &str| -> Result<f64, Failure> {
        let copy = dir.path().join(name);
        let status = Command::new("strip").arg("-o").arg(&copy).arg(programs::path(name)?).status()?;
        if !status.success() {
            return Err(format!("strip ended with {status}").into());
        }
        Ok(fs::metadata(copy)?.len() as f64 / 1e6)
    };
    let ours = [(OURS, "platform")];
    let all = ours.into_iter().chain(PEERS.iter().map(|(who, name, _)| (*who, *name)));
    let figures = all.map(|(who, name)| match stripped(name) {
        Ok(size) => Figure { rounds: vec![Some(size)], ..Figure::new(who) },
        Err(failure) => Figure { failed: Some(failure.to_string()), ..Figure::new(who) },
    });
    rows.add(Row::new("size of the program, stripped", "MB", figures.collect()));
    Ok(())
}
