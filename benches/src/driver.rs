//! The driver: runs each group of rows in a process of its own, with a deadline, and prints or writes the report.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    calls, commands, errors, log, lookup, machine,
    markdown::{self, Section},
    messaging, metrics, process, programs,
    rounds::Failure,
    rows::{Rows, exit_code},
    rpc, services, tracing,
};

/// Environment variable with the group that this process measures.
const GROUP: &str = "BENCH_GROUP";

/// Rows that are measured in one process.
struct Group {
    name: &'static str,
    rows: fn(&mut Rows) -> Result<(), Failure>,
    deadline: Duration,
    /// The programs that it starts.
    programs: &'static [&'static str],
}

const fn group(name: &'static str, rows: fn(&mut Rows) -> Result<(), Failure>, seconds: u64) -> Group {
    Group { name, rows, deadline: Duration::from_secs(seconds), programs: &[] }
}

impl Group {
    const fn with(self, programs: &'static [&'static str]) -> Self {
        Self { programs, ..self }
    }
}

const GROUPS: &[Group] = &[
    group("commands", commands::rows, 120).with(&["allocations"]),
    group("calls", calls::rows, 120),
    group("lookup", lookup::rows, 120),
    group("services", services::rows, 150),
    group("errors", errors::rows, 120),
    group("log", log::rows, 120).with(&["peer_foundations"]),
    group("process", process::rows, 150).with(&[
        "peer_foundations",
        "peer_lifecycle",
        "peer_tokio",
        "platform",
    ]),
    group("metrics", metrics::rows, 120),
    group("rpc", rpc::rows, 240),
    group("tracing", tracing::rows, 180).with(&["peer_traces"]),
    group("messaging", messaging::rows, 240).with(&["message_allocations"]),
];

/// The body of `main`: measures all groups, or the groups that the command line names.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(ended) = rpc::play() {
        return ended;
    }
    let outcome = match env::var(GROUP) {
        Ok(name) => find(&name).and_then(|group| (group.rows)(&mut Rows::of_this_process())),
        Err(_) => compare(&env::args().skip(1).collect::<Vec<_>>()),
    };
    exit_code(outcome)
}

fn find(name: &str) -> Result<&'static Group, Failure> {
    GROUPS.iter().find(|group| group.name == name).ok_or_else(|| {
        let names: Vec<_> = GROUPS.iter().map(|group| group.name).collect();
        format!("no group {name:?}; there are {}", names.join(", ")).into()
    })
}

fn compare(names: &[String]) -> Result<(), Failure> {
    let chosen = match names {
        [] => GROUPS.iter().collect(),
        names => names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?,
    };
    programs::build(&chosen.iter().flat_map(|group| group.programs).copied().collect())?;
    let began = Instant::now();
    let sections = chosen.iter().map(|group| measured(group)).collect::<Result<Vec<_>, _>>()?;
    let tables = markdown::sections(&sections);
    std::io::stdout().write_all(tables.as_bytes())?;
    if names.is_empty() {
        let report = format!("{}{tables}", machine::heading(began.elapsed()));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");
        std::fs::write(file, report)?;
        writeln!(std::io::stdout(), "\nWritten to {file}.")?;
    }
    Ok(())
}

/// Measures a group. Returns the rows that it added before its deadline.
fn measured(group: &Group) -> Result<Section, Failure> {
    let mut process = Command::new(env::current_exe()?)
        .env(GROUP, group.name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let lines = lines(&mut process)?;
    let mut section = Section { name: group.name.to_owned(), rows: Vec::new(), failed: None };
    let mut doing = "the start".to_owned();
    let end = Instant::now() + group.deadline;
    let late = loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => match serde_json::from_str(&line) {
                Ok(row) => section.rows.push(row),
                Err(_) => {
                    let _ = writeln!(std::io::stderr(), "{}: {line}", group.name);
                    doing = line;
                }
            },
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => break true,
        }
    };
    if late {
        programs::kill_with_children(process.id());
    }
    let status = process.wait()?;
    if late {
        section.failed =
            Some(format!("not done after {} s; the last step was: {doing}", group.deadline.as_secs()));
    } else if !status.success() {
        section.failed = Some(format!("ended with {status}; the last line was: {doing}"));
    }
    Ok(section)
}

/// The lines of the process on both outputs, up to its end.
fn lines(process: &mut Child) -> Result<mpsc::Receiver<String>, Failure> {
    let (sender, lines) = mpsc::channel();
    let out: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        process.stdout.take().map(|out| Box::new(out) as _),
        process.stderr.take().map(|err| Box::new(err) as _),
    ];
    for output in out.into_iter().flatten() {
        let sender = sender.clone();
        thread::Builder::new().spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        })?;
    }
    Ok(lines)
}
