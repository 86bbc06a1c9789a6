//! The listeners of an app.

use std::net::IpAddr;

use super::App;
use crate::listeners::{ListenError, Listener, ListenerStatus, StoreStep};

impl App {
    /// The listener of the service `name`: one that this process inherited or was handed for it, or else a new one.
    ///
    /// `address` is where to listen, with `None` for every address of the machine. Port 0 is any free port, or that of the listener
    /// that came from elsewhere. A service that is restarted asks again, and may get its earlier listener, with the clients that wait.
    /// The module [`listeners`](crate::listeners) has an example.
    ///
    /// If the port belongs to a listener that the service manager has just been told to forget, this blocks the thread until the
    /// manager has closed it, for at most three seconds.
    ///
    /// # Errors
    /// [`ListenError`] if the address cannot be used, or if the process inherited a listener for this service that is elsewhere.
    pub fn listen(&self, name: &str, address: Option<IpAddr>, port: u16) -> Result<Listener, ListenError> {
        self.host().listeners.listen(name, address, port)
    }

    /// Whether a listener that came from elsewhere waits for the service `name`. If so, [`listen`](Self::listen) binds nothing.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let app = TestApp::empty().await;
    /// assert!(!app.has_listener_for("echo"));
    /// # }
    /// ```
    #[must_use]
    pub fn has_listener_for(&self, name: &str) -> bool {
        self.host().listeners.is_offered(name)
    }

    /// The listeners that services have, sorted by name.
    ///
    /// ```
    /// # use app_core::{prelude::*, listeners::ListenerOrigin, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// let listener = app.listen("echo", Some([127, 0, 0, 1].into()), 0)?;
    /// assert_eq!(app.listeners()[0].address, listener.address());
    /// assert_eq!(app.listeners()[0].origin, ListenerOrigin::Bound);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn listeners(&self) -> Vec<ListenerStatus> {
        self.host().listeners.statuses()
    }

    /// What the service manager is still to be told about listeners, in this order. Only app-health asks, which notifies systemd.
    #[must_use]
    pub fn listeners_to_store(&self) -> Vec<StoreStep> {
        self.host().listeners.to_store()
    }

    /// Notes that the service manager was told.
    pub fn listener_stored(&self, step: &StoreStep) {
        self.host().listeners.told(step);
    }
}
