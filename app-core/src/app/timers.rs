//! Timers that go off also when every worker of the services is blocked.

use std::time::Duration;

use tokio::{
    runtime::Handle,
    time::{self, Sleep},
};

use super::App;

impl App {
    /// Has timers kept by the runtime that the app starts in: the kernel's own, whose thread no service blocks.
    pub(crate) fn keep_timers_here(&self) {
        // A second call changes nothing: an app is started once.
        let _ = self.inner.timers.set(Handle::current());
    }

    /// A timer of the kernel's; none before the start.
    pub(crate) fn timer(&self, after: Duration) -> Option<Sleep> {
        let _inside = self.inner.timers.get()?.enter();
        Some(time::sleep(after))
    }
}
