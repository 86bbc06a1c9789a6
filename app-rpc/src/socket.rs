//! The sockets of connections, of servers and of clients.
//!
//! A peer whose machine or network is gone says nothing, and a connection with a call in flight waits for it. So the kernel asks
//! whether it is there, and gives up in bounded time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a connection may be without a sign of its peer's kernel before that is asked for one.
const SILENCE: Duration = Duration::from_secs(20);

/// How long it takes from one question to the next.
const AGAIN: Duration = Duration::from_secs(5);

/// How often it is asked without an answer.
const QUESTIONS: u32 = 2;

/// A peer that gave no sign for so long is gone: whether it was asked, or what was sent to it is not acknowledged.
pub(crate) const GONE_AFTER: Duration = Duration::from_secs(30);

/// Prepares the socket of a connection. Where the system has not all of it, the connection does without: its deadlines are there.
pub(crate) fn prepare(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_nodelay(true);
    let asking = TcpKeepalive::new().with_time(SILENCE).with_interval(AGAIN).with_retries(QUESTIONS);
    let _ = socket.set_tcp_keepalive(&asking);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(GONE_AFTER));
}

/// A socket that can go from the runtime of one thread to that of another, also while TLS is on it.
///
/// Between the two it belongs to no runtime, and reading and writing fail.
pub(crate) struct Movable(Place);

enum Place {
    /// On the runtime of this thread.
    Here(TcpStream),
    /// On no runtime.
    Between(std::net::TcpStream),
    /// It failed to go, and is closed.
    Closed,
}

impl Movable {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self(Place::Here(socket))
    }

    /// Takes it off the runtime that it is on.
    ///
    /// # Errors
    /// The system refuses, and the socket is closed.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        if let Place::Here(socket) = std::mem::replace(&mut self.0, Place::Closed) {
            self.0 = Place::Between(socket.into_std()?);
        }
        Ok(())
    }

    /// Puts it on the runtime of this thread.
    ///
    /// # Errors
    /// The system refuses, and the socket is closed.
    pub(crate) fn arrive(&mut self) -> io::Result<()> {
        if let Place::Between(socket) = std::mem::replace(&mut self.0, Place::Closed) {
            self.0 = Place::Here(TcpStream::from_std(socket)?);
        }
        Ok(())
    }

    fn here(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        match &mut self.get_mut().0 {
            Place::Here(socket) => Ok(Pin::new(socket)),
            Place::Between(_) | Place::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Movable {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.here()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Movable {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.here()?.poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.here()?.poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.here()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.here()?.poll_shutdown(context)
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
