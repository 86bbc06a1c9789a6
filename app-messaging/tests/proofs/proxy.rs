//! A way to a server that can be cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to the first server that takes them.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    cuts: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn to(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (servers, mut cut) = (servers.clone(), cut.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    for server in servers {
                        let Ok(mut server) = TcpStream::connect(server).await else { continue };
                        tokio::select! {
                            _ = cut.changed() => {}
                            _ = copy_bidirectional(&mut client, &mut server) => {}
                        }
                        return;
                    }
                });
            }
        });
        Self { address, cuts }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
