//! Starts programs, and reads their output and their exit status.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use app_core::{events, prelude::LogEventId};
use nix::{
    sys::{
        resource::{Resource, setrlimit},
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use serde_json::Value;

/// Longest wait of a test. Everything that works is faster, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command line.
pub(crate) struct Program {
    command: Command,
}

/// A process, running or ended. It is killed when this value is dropped.
pub(crate) struct Process {
    pid: Pid,
    started: Instant,
    shared: Arc<Shared>,
}

/// How a process ended, and its whole output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Default)]
struct Shared {
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
    fn over(&self) -> bool {
        self.status.is_some() && self.open == 0
    }
}

impl Program {
    /// The service, without the environment of this process.
    pub(crate) fn service() -> Self {
        Self::new(e2e::svc_example()).without_environment()
    }

    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }

    pub(crate) fn without_environment(mut self) -> Self {
        self.command.env_clear();
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Sends standard error elsewhere than into [`Ended::stderr`].
    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    pub(crate) fn start(mut self) -> Process {
        // A process that a signal kills writes no core file.
        setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
        let started = Instant::now();
        let mut child = self.command.spawn().unwrap();
        let shared = Arc::new(Shared::default());
        collect(&shared, child.stdout.take(), |state| &mut state.stdout);
        collect(&shared, child.stderr.take(), |state| &mut state.stderr);
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let reaper = Arc::clone(&shared);
        thread::spawn(move || reap(pid, child, &reaper));
        Process { pid, started, shared }
    }

    /// Starts the program and waits until it ends.
    pub(crate) fn run(self) -> Ended {
        self.start().ended()
    }
}

/// Appends the lines of a stream as they arrive.
fn collect(
    shared: &Arc<Shared>,
    stream: Option<impl Read + Send + 'static>,
    part: fn(&mut State) -> &mut String,
) {
    let Some(stream) = stream else { return };
    shared.state.lock().unwrap().open += 1;
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            part(&mut shared.state.lock().unwrap()).push_str(&String::from_utf8_lossy(&line));
            shared.news.notify_all();
            line.clear();
        }
        shared.state.lock().unwrap().open -= 1;
        shared.news.notify_all();
    });
}

/// Waits without reaping, and reaps under the lock. So no signal goes to an id that another process has by now.
fn reap(pid: Pid, mut child: Child, shared: &Shared) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).is_err() {}
    let mut state = shared.state.lock().unwrap();
    state.status = child.wait().ok().map(|status| (status, Instant::now()));
    shared.news.notify_all();
}

impl Process {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the process runs.
    pub(crate) fn runs(&self) -> bool {
        self.shared.state.lock().unwrap().status.is_none()
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let state = self.shared.state.lock().unwrap();
        if state.status.is_none() {
            kill(self.pid, signal).unwrap();
        }
    }

    /// Waits for the first log record of an event.
    pub(crate) fn event(&self, id: LogEventId) -> Value {
        let what = format!("the event {}", id.describe());
        self.record(&what, |record| record["event"] == id.hex())
    }

    /// Waits for the first log record that `wanted` accepts.
    pub(crate) fn record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, |state| records(&state.stderr).into_iter().find(&wanted))
    }

    /// Whether the log has a record that `wanted` accepts.
    pub(crate) fn seen(&self, wanted: impl Fn(&Value) -> bool) -> bool {
        records(&self.shared.state.lock().unwrap().stderr).iter().any(wanted)
    }

    /// Whether the process has ended and all of its output is read.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.state.lock().unwrap().over()
    }

    /// Waits for `count` log records that `wanted` accepts.
    pub(crate) fn records(&self, what: &str, count: usize, wanted: impl Fn(&Value) -> bool) {
        self.wait(what, |state| {
            (records(&state.stderr).iter().filter(|record| wanted(record)).count() >= count).then_some(())
        });
    }

    /// Waits for the first line on standard error that contains this text.
    pub(crate) fn line(&self, part: &str) -> String {
        self.wait(part, |state| state.stderr.lines().find(|line| line.contains(part)).map(str::to_owned))
    }

    /// Waits until standard output contains this text. Returns the whole output so far.
    pub(crate) fn printed(&self, part: &str) -> String {
        self.wait(part, |state| state.stdout.contains(part).then(|| state.stdout.clone()))
    }

    /// Address of its HTTP server.
    pub(crate) fn address(&self) -> SocketAddr {
        let record = self.event(app_metrics::log_events::METRICS_HTTP_SERVER_STARTED);
        record["addr"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until the application has started or the process has ended. Returns whether the application runs.
    pub(crate) fn starts(&self) -> bool {
        let started = |state: &State| {
            records(&state.stderr).iter().any(|record| record["event"] == events::APP_STARTED.hex())
        };
        self.wait("a start or an end", |state| {
            if started(state) { Some(true) } else { state.over().then_some(false) }
        })
    }

    /// Waits until the application runs and its health check has passed. Returns the address of its HTTP server.
    pub(crate) fn ready(&self) -> SocketAddr {
        self.event(events::APP_STARTED);
        self.event(app_health::log_events::HEALTHCHECK_RESULT);
        self.address()
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(&self) -> Ended {
        self.wait("the end", |state| {
            let (status, at) = state.status.filter(|_| state.over())?;
            let took = at - self.started;
            Some(Ended { status, took, stdout: state.stdout.clone(), stderr: state.stderr.clone() })
        })
    }

    /// Asserts that the process keeps running for a time.
    pub(crate) fn goes_on_for(&self, time: Duration) {
        let state = self.shared.state.lock().unwrap();
        let (state, waited) =
            self.shared.news.wait_timeout_while(state, time, |state| state.status.is_none()).unwrap();
        assert!(waited.timed_out(), "ended with {:?}:\n{}", state.status, state.stderr);
    }

    /// Waits until `look` finds something. Fails if the process has ended, or at the deadline.
    fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.over() || left.is_zero() {
                let (status, stderr) = (state.status, state.stderr.clone());
                // Drops the lock before the panic, so that it is not poisoned and `drop` can kill the process.
                drop(state);
                panic!("waiting for {what}, status {status:?}; standard error:\n{stderr}");
            }
            state = self.shared.news.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        let state = self.shared.state.lock().unwrap();
        drop(self.shared.news.wait_timeout_while(state, PATIENCE, |state| state.status.is_none()).unwrap());
    }
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that killed it.
    pub(crate) fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.stderr)
    }

    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "{:?}:\n{}{}", self.status, self.stdout, self.stderr);
        self
    }
}

/// The log records among the lines. Other lines, such as those of clap, are left out.
fn records(stderr: &str) -> Vec<Value> {
    stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Calls `look` until it finds something, for conditions without a notification.
pub(crate) fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        pass(Duration::from_millis(20));
    }
}

/// Lets real time pass, for tests about time.
pub(crate) fn pass(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}
