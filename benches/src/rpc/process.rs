//! The processes of a comparison, seen from the process that starts them. They are killed when they are dropped.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::control::{Command, ROLE, Role, Said, parse};
use crate::rounds::Failure;

/// A process and its output.
pub(super) struct Participant {
    process: Child,
    commands: ChildStdin,
    said: mpsc::Receiver<Said>,
    role: String,
}

impl Participant {
    pub(super) fn start(role: &Role) -> Result<Self, Failure> {
        let mut process = Process::new(env::current_exe()?)
            .env(ROLE, serde_json::to_string(role)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = process.stdin.take().ok_or("no standard input")?;
        let out = process.stdout.take().ok_or("no standard output")?;
        let (sender, said) = mpsc::channel();
        std::thread::spawn(move || {
            for said in BufReader::new(out).lines().map_while(Result::ok).filter_map(|line| parse(&line)) {
                if sender.send(said).is_err() {
                    break;
                }
            }
        });
        Ok(Self { process, commands, said, role: format!("{:?} of {:?}", role.part, role.who) })
    }

    fn tell(&mut self, command: &Command) -> Result<(), Failure> {
        Ok(writeln!(self.commands, "{}", serde_json::to_string(command)?)?)
    }

    /// The next answer.
    pub(super) fn hear(&mut self, within: Duration) -> Result<Said, Failure> {
        match self.said.recv_timeout(within) {
            Ok(Said::Failed(failure)) => Err(format!("{}: {failure}", self.role).into()),
            Ok(said) => Ok(said),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(format!("{}: nothing within {within:?}", self.role).into())
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(format!("{}: it has ended", self.role).into()),
        }
    }

    /// Sends a command and returns the answer.
    pub(super) fn ask(&mut self, command: &Command, within: Duration) -> Result<Said, Failure> {
        self.tell(command)?;
        self.hear(within)
    }

    pub(super) fn processor_time(&mut self) -> Result<Duration, Failure> {
        match self.ask(&Command::ProcessorTime, Duration::from_secs(5))? {
            Said::ProcessorTime(time) => Ok(time),
            other => Err(format!("{}: {other:?} instead of its processor time", self.role).into()),
        }
    }

    /// Resident memory in kilobytes.
    pub(super) fn resident(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no resident set")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
