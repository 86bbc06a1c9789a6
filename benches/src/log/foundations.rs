//! The log of `foundations`. It belongs to a whole process, so another process logs on request.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{programs, rounds::Failure};

const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) struct Foundations {
    process: Child,
    asks: ChildStdin,
    answers: Receiver<String>,
}

impl Foundations {
    /// Starts a process that logs this number of records in a round.
    pub(crate) fn start(records: u64) -> Result<Self, Failure> {
        let mut process = Command::new(programs::path("peer_foundations")?)
            .env("BENCH_RECORDS", records.to_string())
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

    /// Nanoseconds of one record for its caller.
    pub(crate) fn round(&mut self) -> Result<f64, Failure> {
        writeln!(self.asks)?;
        Ok(self.answers.recv_timeout(DEADLINE)?.parse()?)
    }
}

impl Drop for Foundations {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
