//! A process of a comparison: its commands on standard input, and its answers. It ends when its input ends.

use std::env;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::load::{Load, Shape};
use super::material::Material;
use super::{Who, bare, grpc, idle, platform};
use crate::rounds::Failure;

/// The role of a process, as JSON in the environment.
pub(super) const ROLE: &str = "BENCH_RPC_ROLE";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) part: Part,
    pub(super) who: Who,
    pub(super) material: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Part {
    Server,
    /// A client of the server at this port.
    Client(u16),
    /// Opens this number of connections to the server at this port, and then stays idle.
    Idle(u16, usize),
    /// Makes the certificates and ends. `benches/syscalls` uses it and starts the other processes itself.
    Material,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Command {
    Run(Shape, Duration),
    /// Processor time of the process, including threads that have ended.
    ProcessorTime,
}

/// The answers of a process, one on each line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Said {
    Port(u16),
    Connected,
    Load(Load),
    ProcessorTime(Duration),
    Failed(String),
}

/// Runs the role of this process, if it has one.
pub(crate) fn play() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    let outcome = serde_json::from_str::<Role>(&role).map_err(Failure::from).and_then(|role| {
        if matches!(role.part, Part::Material) {
            Material::make(&role.material)?;
        }
        let material = Material::read(&role.material)?;
        let commands = Commands::listen();
        match (role.part, role.who) {
            (Part::Server, who @ (Who::Platform | Who::Calls | Who::Unsampled)) => {
                platform::server(&material, who, commands)
            }
            (Part::Server, Who::Tonic) => grpc::server(&material, commands),
            (Part::Server, Who::Bare) => bare::server(&material, commands),
            (Part::Client(port), who @ (Who::Platform | Who::Calls | Who::Unsampled)) => {
                platform::client(&material, who, port, commands)
            }
            (Part::Client(port), Who::Tonic) => grpc::client(&material, port, commands),
            (Part::Client(port), Who::Bare) => bare::client(&material, port, commands),
            (Part::Idle(port, count), who) => idle::hold(&material, who, port, count, commands),
            (Part::Material, _) => Ok(()),
        }
    });
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&Said::Failed(failure.to_string()));
            ExitCode::FAILURE
        }
    })
}

pub(super) fn say(said: &Said) {
    if let Ok(line) = serde_json::to_string(said) {
        // The starting process may have ended. Then this process ends soon, too.
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// Reports that a server is ready.
pub(super) fn announce(port: u16) {
    say(&Said::Port(port));
}

/// The default runtime of tokio, for both sides.
pub(super) fn multi_thread() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// The commands of the process.
pub(super) struct Commands(mpsc::UnboundedReceiver<Command>);

impl Commands {
    fn listen() -> Self {
        let (sender, commands) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                match parse(&line) {
                    // Answered by this thread at any time, so that the answer does not wait for the measurement.
                    Some(Command::ProcessorTime) => say(&processor_time()),
                    Some(command) => drop(sender.send(command)),
                    None => break,
                }
            }
            // The starting process has ended, so this process ends at once.
            std::process::exit(0);
        });
        Self(commands)
    }

    /// Runs the commands until the input ends.
    pub(super) async fn obey(mut self, mut run: impl AsyncFnMut(Shape, Duration) -> Result<Load, Failure>) {
        while let Some(command) = self.0.recv().await {
            if let Command::Run(shape, time) = command {
                say(&match run(shape, time).await {
                    Ok(load) => Said::Load(load),
                    Err(failure) => Said::Failed(failure.to_string()),
                });
            }
        }
    }

    /// Waits until the input ends.
    pub(super) async fn until_the_end(mut self) {
        while self.0.recv().await.is_some() {}
    }
}

/// Parses a line as a command.
pub(super) fn parse<T: DeserializeOwned>(line: &str) -> Option<T> {
    serde_json::from_str(line).ok()
}

fn processor_time() -> Said {
    match getrusage(UsageWho::RUSAGE_SELF) {
        Ok(usage) => {
            let (user, system) = (usage.user_time(), usage.system_time());
            let micros = (user.tv_sec() + system.tv_sec()) * 1_000_000 + user.tv_usec() + system.tv_usec();
            Said::ProcessorTime(Duration::from_micros(u64::try_from(micros).unwrap_or_default()))
        }
        Err(error) => Said::Failed(format!("getrusage: {error}")),
    }
}
