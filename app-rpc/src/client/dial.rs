//! TCP connections to a server. In tests, a thread can have a simulated network instead.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::socket;

#[cfg(test)]
use self::simulated::Socket;
#[cfg(not(test))]
use tokio::net::TcpStream as Socket;

/// After this time without an answer, another attempt begins.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Connects to an address, with a second attempt that begins anew all the time.
///
/// The system repeats a packet without an answer after one second, then after two, four and so on. If the host is back in between, it is
/// not noticed. The first attempt goes on, for hosts that are far away.
pub(super) async fn dial_eagerly(address: SocketAddr) -> io::Result<Socket> {
    let mut first = std::pin::pin!(dial(address));
    if let Ok(dialled) = timeout(AGAIN_AFTER, &mut first).await {
        return dialled;
    }
    loop {
        tokio::select! {
            dialled = &mut first => return dialled,
            again = timeout(AGAIN_AFTER, dial(address)) => {
                if let Ok(dialled) = again {
                    return dialled;
                }
            }
        }
    }
}

/// Connects to an address. The result is the stream below TLS.
pub(super) async fn dial(address: SocketAddr) -> io::Result<Socket> {
    #[cfg(test)]
    if let Some(dialling) = simulated::dial(address) {
        return dialling.await;
    }
    let socket = TcpStream::connect(address).await?;
    socket::prepare(&socket);
    #[cfg(test)]
    let socket: Socket = Box::new(socket);
    Ok(socket)
}

#[cfg(test)]
pub(crate) mod simulated {
    //! The network of a test's thread.

    use std::cell::RefCell;
    use std::io;
    use std::net::SocketAddr;

    use futures_util::future::BoxFuture;
    use tokio::io::{AsyncRead, AsyncWrite};

    /// What a client needs of a stream.
    pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

    impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

    pub(crate) type Socket = Box<dyn ByteStream>;

    type Dialling = BoxFuture<'static, io::Result<Socket>>;

    type Network = Box<dyn Fn(SocketAddr) -> Dialling>;

    thread_local! {
        static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
    }

    /// All clients on this thread connect through `dial` from now on.
    pub(crate) fn install(dial: impl Fn(SocketAddr) -> Dialling + 'static) {
        NETWORK.replace(Some(Box::new(dial)));
    }

    pub(crate) fn uninstall() {
        NETWORK.take();
    }

    pub(super) fn dial(address: SocketAddr) -> Option<Dialling> {
        NETWORK.with_borrow(|network| network.as_ref().map(|dial| dial(address)))
    }
}
