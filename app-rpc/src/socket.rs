//! The sockets of connections, of servers and of clients.
//!
//! A peer whose machine or network is gone says nothing, and a connection with a call in flight waits for it. So the kernel asks
//! whether it is there, and gives up in bounded time.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
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
}
