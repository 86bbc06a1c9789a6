//! The HTTP server in its first phase: it listens, but does not answer yet.

use app_core::App;
use app_core::listeners::{Accepting, Listener};
use std::io;

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(super) accepting: Accepting,
    /// The app that it belongs to. Once that stops, each answer closes its connection.
    pub(super) app: Option<App>,
}

impl Bound {
    /// Takes a listener. Needs a tokio runtime.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub(crate) fn new(listener: Listener, app: Option<App>) -> io::Result<Self> {
        Ok(Self { accepting: listener.accepting()?, app })
    }
}
