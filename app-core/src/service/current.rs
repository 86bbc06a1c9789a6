//! The tasks and commands that run on this thread. So a command that would wait for itself is refused, and an error about
//! a wait names the caller.
//!
//! Commands are synchronous. A future that a command waits for is polled on the command's own thread, and finds the command
//! here. A future that a command hands to another task or thread does not find it. A deadline ends such a wait.

use std::{borrow::Cow, cell::RefCell, fmt, ptr, sync::Arc};

use app_ids::ServiceId;

use super::{Host, Service, task};

/// Runs the commands of one queue: a command server, or the loop of a service behind a bare channel.
pub(crate) struct Runner {
    kind: &'static str,
    service: Service,
    name: Cow<'static, str>,
}

scoped_tls::scoped_thread_local! {
    /// The runner whose command runs now.
    static INNERMOST: Arc<Runner>
}

thread_local! {
    /// The runners outside the innermost one: an inline command may run inside another server's command.
    static OUTER: RefCell<Vec<Arc<Runner>>> = const { RefCell::new(Vec::new()) };
}

/// Removes the last outer runner, also after a panic.
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
        Self { kind, service, name }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command, or several in a row.
    pub(crate) fn run<R>(self: &Arc<Self>, commands: impl FnOnce() -> R) -> R {
        if INNERMOST.is_set() { self.run_nested(commands) } else { INNERMOST.set(self, commands) }
    }

    #[cold]
    fn run_nested<R>(self: &Arc<Self>, commands: impl FnOnce() -> R) -> R {
        INNERMOST.with(|outer| OUTER.with_borrow_mut(|runners| runners.push(Arc::clone(outer))));
        let _nested = Nested;
        INNERMOST.set(self, commands)
    }

    /// Whether the caller is a command of this runner, or runs inside one.
    pub(crate) fn is_running_here(&self) -> bool {
        any(|runner| ptr::eq(runner, self))
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} of service {}", self.kind, self.name, self.service.describe())
    }
}

fn any(which: impl Fn(&Runner) -> bool) -> bool {
    INNERMOST.is_set()
        && (INNERMOST.with(|runner| which(runner))
            || OUTER.with_borrow(|runners| runners.iter().any(|runner| which(runner))))
}

fn innermost() -> Option<Arc<Runner>> {
    INNERMOST.is_set().then(|| INNERMOST.with(Arc::clone))
}

/// Whether the caller runs in a task or a command of this service, or of a part of it.
pub(super) fn is_inside(service: &Service) -> bool {
    let within = |of: &Service| std::iter::successors(Some(of), |at| at.parent()).any(|at| at.same(service));
    task::with_current(within).unwrap_or(false) || any(|runner| within(&runner.service))
}

/// The service of this app whose task or command the caller is, if it is one.
pub(crate) fn current_service(host: &Arc<Host>) -> Option<Service> {
    let of_app = |service: &Service| Arc::ptr_eq(service.host(), host).then(|| service.clone());
    let of_command = innermost().and_then(|runner| of_app(&runner.service));
    of_command.or_else(|| task::with_current(of_app).flatten())
}

/// The id of the service that the caller is a task or a command of, if it is one.
pub(crate) fn current_service_id() -> Option<ServiceId> {
    let of_command = innermost().map(|runner| runner.service.id());
    of_command.or_else(|| task::with_current(Service::id))
}

/// The caller's name, for a message about its wait.
pub(crate) fn describe_caller() -> String {
    if let Some(runner) = innermost() {
        return format!("a command of {runner}");
    }
    let task = task::with_current(|service| format!("a task of service {}", service.describe()));
    task.unwrap_or_else(|| "a caller outside of any service".to_owned())
}
