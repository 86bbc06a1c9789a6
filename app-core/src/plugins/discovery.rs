//! How instances find each other: what an instance tells of the servers that it runs, and who finds those of others.
//!
//! A crate with servers contributes an [`EndpointList`]. A crate that reaches other processes tells them that list, and provides an
//! [`AddressFinder`] for clients. Neither knows the other.
//!
//! ```
//! use app_core::{plugins::discovery::{AnnouncedEndpoint, EndpointList, endpoints}, prelude::*, testing::TestApp};
//!
//! const STORE: ServiceId = ServiceId::new(0x57);
//!
//! fn listens(_: &app_core::App) -> Vec<AnnouncedEndpoint> {
//!     let address = ([192, 0, 2, 7], 4422).into();
//!     vec![AnnouncedEndpoint { service: STORE, server_name: "d0_a0_57".to_owned(), address }]
//! }
//!
//! inventory::submit! { EndpointList::new(listens) }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let app = TestApp::empty().await;
//! assert!(endpoints(app.app()).iter().any(|endpoint| endpoint.server_name == "d0_a0_57"));
//! # }
//! ```

use std::{net::SocketAddr, sync::Arc};

use app_ids::{AppId, DomainId, ServiceId};
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::App;

/// A server of this process that others may call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnnouncedEndpoint {
    /// The service that listens.
    pub service: ServiceId,
    /// The name in the server's certificate. It decides; the address is only a hint.
    pub server_name: String,
    /// Where it listens. The address may be unspecified, which means every address of the machine.
    pub address: SocketAddr,
}

/// The servers of a crate, contributed with `inventory::submit!`.
#[derive(Debug, Clone, Copy)]
pub struct EndpointList(fn(&App) -> Vec<AnnouncedEndpoint>);

inventory::collect!(EndpointList);

impl EndpointList {
    /// The servers that listen at the moment of the call.
    #[must_use]
    pub const fn new(list: fn(&App) -> Vec<AnnouncedEndpoint>) -> Self {
        Self(list)
    }
}

/// The servers of an app that listen at this moment, in order.
#[must_use]
pub fn endpoints(app: &App) -> Vec<AnnouncedEndpoint> {
    let mut all: Vec<_> =
        inventory::iter::<EndpointList>.into_iter().flat_map(|list| (list.0)(app)).collect();
    all.sort();
    all.dedup();
    all
}

/// A server whose instances are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SoughtServer {
    /// The domain of the application.
    pub domain: DomainId,
    /// The application.
    pub app: AppId,
    /// The service that listens.
    pub service: ServiceId,
}

/// Finds the addresses of a server by asking other processes.
pub trait AddressFinder: Send + Sync + 'static {
    /// The addresses that instances tell for this server. None, if no instance answers. The future may run on any runtime.
    fn find(&self, server: SoughtServer, deadline: Instant)
    -> BoxFuture<'_, Result<Vec<SocketAddr>, String>>;
}

/// The finder of an app, if one of its services provides one.
#[derive(Default)]
pub struct Discovery(RwLock<Option<Arc<dyn AddressFinder>>>);

impl Discovery {
    /// That of an app.
    #[must_use]
    pub fn of(app: &App) -> Arc<Self> {
        app.kept()
    }

    /// Provides the finder, in place of an earlier one. Later calls of [`find`](Self::find) use it.
    pub fn provide(&self, finder: Arc<dyn AddressFinder>) {
        *self.0.write() = Some(finder);
    }

    /// The addresses of a server.
    ///
    /// # Errors
    /// Nothing in this app can find them, or they could not be asked for. The text says what to do.
    pub async fn find(&self, server: SoughtServer, deadline: Instant) -> Result<Vec<SocketAddr>, String> {
        let finder = self.0.read().clone();
        let Some(finder) = finder else {
            return Err(
                "nothing in this application finds instances; link app-messaging, or set `addresses`"
                    .to_owned(),
            );
        };
        tokio::time::timeout_at(deadline, finder.find(server, deadline))
            .await
            .unwrap_or_else(|_| Err("instances could not be asked in time".to_owned()))
    }
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery").field("provided", &self.0.read().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::TestApp;

    const SERVER: SoughtServer =
        SoughtServer { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: ServiceId::new(0x57) };

    struct Finds(Option<SocketAddr>);

    impl AddressFinder for Finds {
        fn find(&self, _: SoughtServer, _: Instant) -> BoxFuture<'_, Result<Vec<SocketAddr>, String>> {
            Box::pin(async {
                match self.0 {
                    Some(address) => Ok(vec![address]),
                    None => std::future::pending().await,
                }
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_finder_is_used_once_it_is_provided_and_within_the_deadline() {
        let app = TestApp::empty().await;
        let (discovery, soon) = (Discovery::of(app.app()), || Instant::now() + Duration::from_secs(1));
        let nobody = discovery.find(SERVER, soon()).await.unwrap_err();
        assert!(nobody.contains("link app-messaging, or set `addresses`"), "{nobody}");
        let address = ([192, 0, 2, 7], 4422).into();
        discovery.provide(Arc::new(Finds(Some(address))));
        assert_eq!(Discovery::of(app.app()).find(SERVER, soon()).await, Ok(vec![address]));
        discovery.provide(Arc::new(Finds(None)));
        let late = discovery.find(SERVER, soon()).await.unwrap_err();
        assert!(late.contains("in time"), "{late}");
    }
}
