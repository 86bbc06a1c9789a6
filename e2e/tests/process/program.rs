//! The programs of the platform as processes of their own, on top of the kernel's support for tests.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    ops::Deref,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use app_core::testing;
pub(crate) use app_core::testing::Ended;

/// Longest wait of a test. Everything that works is faster, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A command line.
pub(crate) struct Program(testing::Program);

/// A process with an HTTP server for metrics and probes.
pub(crate) struct Process(testing::Process);

impl Program {
    /// The service, without the environment of this process.
    pub(crate) fn service() -> Self {
        Self::new(e2e::svc_example()).without_environment()
    }

    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(testing::Program::new(program).patience(PATIENCE))
    }

    pub(crate) fn without_environment(self) -> Self {
        Self(self.0.without_environment())
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        Self(self.0.args(args))
    }

    pub(crate) fn env(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        Self(self.0.env(name, value))
    }

    pub(crate) fn stdin(self, stdin: impl Into<Stdio>) -> Self {
        Self(self.0.stdin(stdin))
    }

    /// Sends standard error elsewhere than into [`Ended::stderr`].
    pub(crate) fn stderr(self, stderr: impl Into<Stdio>) -> Self {
        Self(self.0.stderr(stderr))
    }

    #[track_caller]
    pub(crate) fn start(self) -> Process {
        Process(self.0.start())
    }

    /// Starts the program and waits until it ends.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.0.run()
    }
}

impl Deref for Process {
    type Target = testing::Process;

    fn deref(&self) -> &testing::Process {
        &self.0
    }
}

impl Process {
    /// Address of its HTTP server.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        let record = self.event(app_metrics::log_events::METRICS_HTTP_SERVER_STARTED);
        record["addr"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until the application runs and its health check has passed. Returns the address of its HTTP server.
    #[track_caller]
    pub(crate) fn ready(&self) -> SocketAddr {
        self.started();
        self.event(app_health::log_events::HEALTHCHECK_RESULT);
        self.address()
    }
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
