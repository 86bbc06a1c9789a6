//! A program for a test to start as a process of its own: its arguments, its environment and its patience.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    process::{Command, Stdio},
    time::Duration,
};

use super::process::{Ended, Process};

/// How long a test waits for anything by default. What works is faster, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command line for a test to start as a process of its own.
///
/// The process has no standard input. It gets the environment of the test, but no variable that begins with `OP_`, because these
/// are flags of applications.
///
/// In a test of a package with programs, cargo gives you the path of the program:
///
/// ```no_run
/// use app_core::testing::{Program, Signal};
/// # const ORDERS: app_core::prelude::ServiceId = app_core::prelude::ServiceId::new(7);
/// # macro_rules! env { ($name:literal) => { "orders" }; }
///
/// let process = Program::new(env!("CARGO_BIN_EXE_orders")).args(["--config-dir", "configs"]).start();
/// process.started();
/// let address = process.address_of(ORDERS);
/// assert!(std::net::TcpStream::connect(address).is_ok());
/// process.signal(Signal::SIGTERM);
/// process.ended().expect_code(0);
/// ```
pub struct Program {
    command: Command,
    patience: Duration,
}

impl Program {
    /// A program without arguments: a path, or a name that is looked up in `PATH`.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in env::vars_os().filter(|(name, _)| is_flag(name)) {
            command.env_remove(name);
        }
        Self { command, patience: PATIENCE }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes all variables from its environment. Variables that you set later stay.
    #[must_use]
    pub fn without_environment(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Sets its standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Sends its standard error elsewhere. The [`Process`] then sees no log records.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// Sets how long each wait for the process may take. The default is a minute.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts the process. It ends with the returned value, if not before.
    ///
    /// # Panics
    /// If the program cannot be started. The message says why.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Process {
        Process::start(self.command, self.patience)
    }

    /// Starts the process and waits for its end.
    ///
    /// # Panics
    /// As [`start`](Self::start) and [`Process::ended`].
    #[track_caller]
    pub fn run(self) -> Ended {
        self.start().ended()
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold secrets.
        f.debug_tuple("Program").field(&self.command.get_program()).finish()
    }
}

/// Whether the variable is a flag of applications.
fn is_flag(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(b"OP_")
}
