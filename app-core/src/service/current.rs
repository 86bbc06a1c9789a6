//! Which commands run on this thread: so a command that would wait for itself is refused, and a wait that takes too long
//! can say who waits.
//!
//! Commands are synchronous. A future that a command waits for is polled on the command's own thread, and finds the command
//! here. A future that a command hands to another task or thread is not found: a deadline ends such a wait.

use std::{
    borrow::Cow,
    cell::RefCell,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{Service, task};
use crate::App;

/// Runs the commands of one queue: a command server, or the loop of a service behind a bare channel.
#[derive(Clone)]
pub(crate) struct Runner {
    number: u64,
    kind: &'static str,
    service: Service,
    name: Cow<'static, str>,
}

scoped_tls::scoped_thread_local! {
    /// The runner whose command runs now.
    static INNERMOST: Runner
}

thread_local! {
    /// The runners below the innermost one: a command may run another server's command at once, on its own thread.
    static OUTER: RefCell<Vec<Runner>> = const { RefCell::new(Vec::new()) };
}

/// Takes the last one out again, also after a panic.
struct Nested;

impl Drop for Nested {
    fn drop(&mut self) {
        OUTER.with_borrow_mut(Vec::pop);
    }
}

impl Runner {
    pub(crate) const SERVER: &'static str = "command server";
    pub(crate) const CHANNEL: &'static str = "command channel";

    pub(crate) fn new(kind: &'static str, service: Service, name: Cow<'static, str>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { number: LAST.fetch_add(1, Relaxed), kind, service, name }
    }

    /// The same runner, for a holder that must not keep its service alive until it runs.
    pub(crate) fn numbered(number: u64, service: Service, name: Cow<'static, str>) -> Self {
        Self { number, kind: Self::SERVER, service, name }
    }

    /// Tells it from every other runner of the process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command, or several in a row.
    pub(crate) fn run<R>(&self, commands: impl FnOnce() -> R) -> R {
        if INNERMOST.is_set() { self.run_nested(commands) } else { INNERMOST.set(self, commands) }
    }

    #[cold]
    fn run_nested<R>(&self, commands: impl FnOnce() -> R) -> R {
        INNERMOST.with(|outer| OUTER.with_borrow_mut(|below| below.push(outer.clone())));
        let _nested = Nested;
        INNERMOST.set(self, commands)
    }

    /// Whether the caller is a command of this runner, or runs inside of one.
    pub(crate) fn is_running_here(&self) -> bool {
        INNERMOST.is_set() && any(|runner| runner.number == self.number)
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} of service {}", self.kind, self.name, self.service.describe())
    }
}

#[cold]
fn any(which: impl Fn(&Runner) -> bool) -> bool {
    INNERMOST.with(&which) || OUTER.with_borrow(|below| below.iter().any(which))
}

/// Whether the caller runs in a task or a command of this service, or of a part of it.
pub(super) fn is_inside(service: &Service) -> bool {
    let within = |of: &Service| std::iter::successors(Some(of), |at| at.parent()).any(|at| at.same(service));
    task::with_current(within).unwrap_or(false)
        || (INNERMOST.is_set() && any(|runner| within(&runner.service)))
}

/// The service of this app that the caller is a task or a command of, if it is one.
pub(crate) fn current_service(app: &App) -> Option<Service> {
    let of_app = |service: &Service| service.app().is(app).then(|| service.clone());
    let of_command = if INNERMOST.is_set() { INNERMOST.with(|runner| of_app(&runner.service)) } else { None };
    of_command.or_else(|| task::with_current(of_app).flatten())
}

/// Who the caller is, for messages about a wait.
pub(crate) fn describe_caller() -> String {
    if INNERMOST.is_set() {
        return INNERMOST.with(|runner| format!("a command of {runner}"));
    }
    let task = task::with_current(|service| format!("a task of service {}", service.describe()));
    task.unwrap_or_else(|| "a caller outside of any service".to_owned())
}
