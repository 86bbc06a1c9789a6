//! The sockets of servers' and clients' connections.
//!
//! A peer with a failed machine or network sends nothing, and a connection with a call in flight would wait for it. So the operating
//! system probes the peer, and gives up within a limited time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a connection may be silent before the system probes its peer.
const SILENCE: Duration = Duration::from_secs(20);

/// The time between two probes.
const INTERVAL: Duration = Duration::from_secs(5);

/// The number of probes without an answer.
const PROBES: u32 = 2;

/// A peer is gone when it has not answered for this long: neither probes nor sent bytes were acknowledged.
pub(crate) const GONE_AFTER: Duration = Duration::from_secs(30);

/// Sets the options of a connection's socket. If the system lacks one, the connection still has its deadlines.
pub(crate) fn prepare(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_nodelay(true);
    let asking = TcpKeepalive::new().with_time(SILENCE).with_interval(INTERVAL).with_retries(PROBES);
    let _ = socket.set_tcp_keepalive(&asking);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(GONE_AFTER));
}

/// A socket that can move from the runtime of one thread to that of another, even under TLS.
///
/// Between the two it belongs to no runtime, and reading and writing fail.
pub(crate) struct Movable(SocketState);

enum SocketState {
    /// On the runtime of this thread.
    Attached(TcpStream),
    /// On no runtime.
    Detached(std::net::TcpStream),
    /// Moving it failed, and it is closed.
    Closed,
}

impl Movable {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self(SocketState::Attached(socket))
    }

    /// Detaches it from its runtime.
    ///
    /// # Errors
    /// The system refuses, and the socket is closed.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        if let SocketState::Attached(socket) = std::mem::replace(&mut self.0, SocketState::Closed) {
            self.0 = SocketState::Detached(socket.into_std()?);
        }
        Ok(())
    }

    /// Attaches it to the runtime of this thread.
    ///
    /// # Errors
    /// The system refuses, and the socket is closed.
    pub(crate) fn arrive(&mut self) -> io::Result<()> {
        if let SocketState::Detached(socket) = std::mem::replace(&mut self.0, SocketState::Closed) {
            self.0 = SocketState::Attached(TcpStream::from_std(socket)?);
        }
        Ok(())
    }

    fn attached(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        match &mut self.get_mut().0 {
            SocketState::Attached(socket) => Ok(Pin::new(socket)),
            SocketState::Detached(_) | SocketState::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Movable {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.attached()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Movable {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.attached()?.poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.attached()?.poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attached()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attached()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_is_gone_is_noticed_in_half_a_minute() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&stream);
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        let asked = socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
        assert_eq!(socket.tcp_keepalive_time().unwrap() + asked, GONE_AFTER);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(GONE_AFTER));
    }

    #[test]
    fn a_socket_goes_on_where_it_was_on_the_runtime_of_another_thread() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (first, second) = (runtime(), runtime());
        let (mut socket, mut peer) = first.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut socket = Movable::new(listener.accept().await.unwrap().0);
            socket.write_all(b"one").await.unwrap();
            socket.leave().unwrap();
            assert!(socket.write_all(b"lost").await.is_err(), "it belongs to no runtime");
            (socket, peer)
        });
        drop(first);
        std::io::Write::write_all(&mut peer, b"two").unwrap();
        second.block_on(async {
            socket.arrive().unwrap();
            let mut read = [0; 3];
            socket.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"two");
            socket.write_all(b"three").await.unwrap();
            socket.shutdown().await.unwrap();
        });
        let mut said = String::new();
        std::io::Read::read_to_string(&mut peer, &mut said).unwrap();
        assert_eq!(said, "onethree");
    }
}
