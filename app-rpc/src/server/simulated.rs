//! A server without a listener and threads, for tests on a simulated network.

use std::net::SocketAddr;
use std::sync::Arc;

use app_core::prelude::Logger;
use tokio::io::{AsyncRead, AsyncWrite};

use super::admission::admit;
use super::connection::serve_client;
use super::handshakes::Handshakes;
use super::{Bootstrap, Counts, Descriptors, ServerState};
use crate::RpcServerConfig;

/// A server that gets its connections from the caller.
pub(crate) struct Simulated {
    shared: Arc<ServerState>,
    handshakes: Handshakes,
}

impl Simulated {
    pub(crate) fn new(
        config: RpcServerConfig,
        bootstrap: Bootstrap,
        counts: Arc<Counts>,
        log: &Logger,
    ) -> Result<Self, rustls::Error> {
        let plenty = Descriptors::part(usize::MAX, 1);
        let shared = ServerState::new(config, plenty, bootstrap, counts, log)?;
        Ok(Self { shared: Arc::new(shared), handshakes: Handshakes::new(plenty.handshakes) })
    }

    /// Serves a client until its connection ends. The future is a task of the caller.
    pub(crate) fn serve<S>(&self, stream: S, from: SocketAddr) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (shared, handshake) = (Arc::clone(&self.shared), self.handshakes.begin(from));
        async move {
            if let Some(admitted) = admit(&shared, stream, from, handshake).await {
                serve_client(&shared, admitted).await;
            }
        }
    }

    /// Lets running calls end within the drain limit, and refuses new ones.
    pub(crate) fn stop(&self) {
        self.shared.stop.cancel();
    }
}
