//! A process that a test started: its output, its log records, its signals and its end.
//!
//! A thread reads each stream of the process, and one waits for its end. All of them end with the process.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus},
    sync::Arc,
    time::{Duration, Instant},
};

use app_ids::{LogEventId, ServiceId};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use crate::{events::APP_STARTED, threads::spawn_thread};

/// What is kept of a stream in bytes. The rest is read, so that the process never waits, and left out.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The longest line that is read at once.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
/// How long the end of a killed process may take. It is due to the kernel of the system alone.
const AFTER_KILL: Duration = Duration::from_secs(60);

/// A process that a test started with [`Program::start`](super::Program::start). Dropping it kills and reaps the process.
///
/// Every wait has a deadline ([`Program::patience`](super::Program::patience)), and ends at once when the process has ended. A wait in
/// vain panics with what was waited for, the exit status and the whole log. The waits block their thread: call them from a plain
/// `#[test]`, or from a thread of its own.
///
/// Log records are the lines of standard error that are JSON. Applications write them by themselves when standard error is no
/// terminal.
///
/// ```
/// use app_core::testing::Program;
///
/// let script = r#"echo '{"level":"info","message":"hello","svc":"2a","addr":"127.0.0.1:4444"}' >&2; sleep 60"#;
/// let process = Program::new("sh").args(["-c", script]).start();
/// let record = process.record("a greeting", |record| record["message"] == "hello");
/// assert_eq!(record["level"], "info");
/// assert_eq!(process.address_of(app_core::prelude::ServiceId::new(0x2a)).port(), 4444);
/// assert!(process.runs());
/// ```
pub struct Process {
    pid: Pid,
    started: Instant,
    patience: Duration,
    shared: Arc<Watched>,
}

/// How a process ended, and its whole output.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// Time from the start to the end.
    pub took: Duration,
    /// Standard output.
    pub stdout: String,
    /// Standard error. Empty if it was sent elsewhere.
    pub stderr: String,
}

#[derive(Default)]
struct Watched {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    stdout: String,
    stderr: String,
    /// Streams that are still open.
    open: usize,
    /// Set when the process is reaped. Until then, no other process has its id, so signals are safe.
    status: Option<(ExitStatus, Instant)>,
}

impl State {
    fn is_over(&self) -> bool {
        self.status.is_some() && self.open == 0
    }
}

impl Process {
    #[track_caller]
    pub(super) fn start(mut command: Command, patience: Duration) -> Self {
        let program = command.get_program().to_owned();
        match Self::try_start(&mut command, patience) {
            Ok(process) => process,
            Err(error) => panic!("{}: cannot be started: {error}", program.display()),
        }
    }

    fn try_start(command: &mut Command, patience: Duration) -> io::Result<Self> {
        // A process that a signal kills writes no core file.
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
        setrlimit(Resource::RLIMIT_CORE, 0, hard)?;
        let started = Instant::now();
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let process = Self { pid, started, patience, shared: Arc::default() };
        let reaper = Arc::clone(&process.shared);
        // First, so that the process is reaped if a later thread is refused.
        spawn_thread("test-reaper", move || reap(pid, child, &reaper))?;
        collect(&process.shared, stdout, |state| &mut state.stdout)?;
        collect(&process.shared, stderr, |state| &mut state.stderr)?;
        Ok(process)
    }

    /// The id of the process. After its end, another process may have the same id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Whether the process runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.shared.state.lock().status.is_none()
    }

    /// Whether the process has ended and all of its output is read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.state.lock().is_over()
    }

    /// Sends a signal, unless the process has ended.
    ///
    /// # Panics
    /// If the system refuses, which it does for processes of other users.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let state = self.shared.state.lock();
        let sent = if state.status.is_none() { kill(self.pid, signal) } else { Ok(()) };
        drop(state);
        if let Err(error) = sent {
            panic!("process {}: {signal} was not sent: {error}", self.pid);
        }
    }

    /// Waits until every service of the application runs: for the record of [`APP_STARTED`].
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[track_caller]
    pub fn started(&self) -> Value {
        self.event(APP_STARTED)
    }

    /// Waits until the application has started or the process has ended. Returns whether the application runs.
    ///
    /// # Panics
    /// At the deadline.
    #[must_use]
    #[track_caller]
    pub fn starts(&self) -> bool {
        let started =
            |state: &State| records(&state.stderr).iter().any(|record| record["event"] == APP_STARTED.hex());
        self.wait("a start or an end", |state| {
            if started(state) { Some(true) } else { state.is_over().then_some(false) }
        })
    }

    /// Waits for the address that a service listens on: of the HTTP server, or of an RPC endpoint. With port 0 in the config, this is how
    /// a test learns the port. Returns the loopback address if the service listens on every address.
    ///
    /// It is the value of `addr` in the first record of the service that has one.
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[must_use]
    #[track_caller]
    pub fn address_of(&self, service: ServiceId) -> SocketAddr {
        let address = |record: &Value| -> Option<SocketAddr> {
            if record["svc"] == service.hex() { record["addr"].as_str()?.parse().ok() } else { None }
        };
        let what = format!("the address of service {}", service.describe());
        let found = self.wait(&what, |state| records(&state.stderr).iter().find_map(address));
        match found {
            SocketAddr::V4(every) if every.ip().is_unspecified() => ([127, 0, 0, 1], every.port()).into(),
            // Such a socket accepts IPv4 too.
            SocketAddr::V6(every) if every.ip().is_unspecified() => ([127, 0, 0, 1], every.port()).into(),
            one => one,
        }
    }

    /// Waits for the first log record of an event.
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[track_caller]
    pub fn event(&self, id: LogEventId) -> Value {
        let what = format!("the event {}", id.describe());
        self.record(&what, |record| record["event"] == id.hex())
    }

    /// Waits for the first log record that `wanted` accepts. `what` names it, for the panic.
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[track_caller]
    pub fn record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, |state| records(&state.stderr).into_iter().find(&wanted))
    }

    /// Waits for `count` log records that `wanted` accepts.
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[track_caller]
    pub fn records(&self, what: &str, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.wait(what, |state| {
            let found: Vec<_> = records(&state.stderr).into_iter().filter(&wanted).collect();
            (found.len() >= count).then_some(found)
        })
    }

    /// Whether the log has a record that `wanted` accepts. Waits for nothing.
    #[must_use]
    pub fn seen(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        records(&self.shared.state.lock().stderr).iter().any(wanted)
    }

    /// Waits for the first line on standard error that contains this text.
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[track_caller]
    pub fn line(&self, part: &str) -> String {
        self.wait(part, |state| state.stderr.lines().find(|line| line.contains(part)).map(str::to_owned))
    }

    /// Waits until standard output contains this text. Returns the whole output so far.
    ///
    /// # Panics
    /// If the process ends before, or at the deadline.
    #[track_caller]
    pub fn printed(&self, part: &str) -> String {
        self.wait(part, |state| state.stdout.contains(part).then(|| state.stdout.clone()))
    }

    /// Waits for the end of the process, and for the end of its output.
    ///
    /// # Panics
    /// At the deadline: the process runs on, or left behind another one that has its output open.
    #[track_caller]
    pub fn ended(&self) -> Ended {
        self.wait("the end", |state| {
            let (status, at) = state.status.filter(|_| state.is_over())?;
            let took = at - self.started;
            Some(Ended { status, took, stdout: state.stdout.clone(), stderr: state.stderr.clone() })
        })
    }

    /// Watches that the process keeps running for a time.
    ///
    /// # Panics
    /// If it ends.
    #[track_caller]
    pub fn goes_on_for(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.shared.state.lock();
        while state.status.is_none() {
            if self.shared.news.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
        let (status, stderr) = (state.status, state.stderr.clone());
        drop(state);
        panic!("ended with {status:?}; standard error:\n{stderr}");
    }

    /// Waits until `look` finds something.
    #[track_caller]
    fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + self.patience;
        let mut state = self.shared.state.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            if state.is_over() || Instant::now() >= deadline {
                let status = state.status.map(|(status, _)| status);
                let (stdout, stderr) = (state.stdout.clone(), state.stderr.clone());
                drop(state);
                let how = match status {
                    Some(status) => format!("the process has ended ({status})"),
                    None => format!("the process runs, and {:?} are over", self.patience),
                };
                panic!("{what}: never seen, {how}\nstandard output:\n{stdout}\nstandard error:\n{stderr}");
            }
            // The time is looked at above.
            let _ = self.shared.news.wait_until(&mut state, deadline);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if state.status.is_none() {
            // A failure means that the process belongs to another user. Then nothing can be done here.
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        let until = Instant::now() + AFTER_KILL;
        while state.status.is_none() {
            if self.shared.news.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid())
            .field("runs", &self.runs())
            .finish_non_exhaustive()
    }
}

impl Ended {
    /// The exit status as a number. `None` if a signal killed the process.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that killed the process.
    #[must_use]
    pub fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The log records.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        records(&self.stderr)
    }

    /// Asserts the exit status.
    ///
    /// # Panics
    /// If it is another one. The message has the output.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "{}:\n{}{}", self.status, self.stdout, self.stderr);
        self
    }
}

/// Appends the lines of a stream as they arrive.
fn collect(
    shared: &Arc<Watched>,
    stream: Option<impl Read + Send + 'static>,
    part: fn(&mut State) -> &mut String,
) -> io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    shared.state.lock().open += 1;
    let reader = Arc::clone(shared);
    let reading = spawn_thread("test-output", move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let mut state = reader.state.lock();
            let text = part(&mut state);
            if text.len() + line.len() <= MAX_BYTES {
                text.push_str(&String::from_utf8_lossy(&line));
            }
            drop(state);
            reader.news.notify_all();
            line.clear();
        }
        reader.state.lock().open -= 1;
        reader.news.notify_all();
    });
    if reading.is_err() {
        shared.state.lock().open -= 1;
    }
    reading.map(drop)
}

/// Waits without reaping, and reaps under the lock. So no signal goes to an id that another process has by now.
fn reap(pid: Pid, mut child: Child, shared: &Watched) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
        .is_err_and(|error| error == nix::errno::Errno::EINTR)
    {}
    let mut state = shared.state.lock();
    state.status = child.wait().ok().map(|status| (status, Instant::now()));
    drop(state);
    shared.news.notify_all();
}

/// The log records among the lines. Other lines, such as those of the command line parser, are left out.
fn records(stderr: &str) -> Vec<Value> {
    let objects = stderr.lines().filter(|line| line.starts_with('{'));
    objects.filter_map(|line| serde_json::from_str(line).ok()).collect()
}
