//! Peers and networks that misbehave.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use app_rpc::{CallFailure, End, InstanceState, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::pki::AUTHORITY;
use crate::raw::connected;
use crate::stand::{PATIENCE, Stand, ask, client_of, config, eventually};

/// The socket of a stranger, which is reset when it closes.
fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream.into_std().unwrap());
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn garbage_before_tls_is_refused_and_nothing_else_happens() {
    let stand = Stand::new().await;
    let garbage: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", &[0; 4096], &[0xff; 4096], b"\x16\x03\x01\xff\xff\x01"];
    for (count, bytes) in (1..).zip(garbage) {
        let mut stream = TcpStream::connect(stand.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
        eventually("refused", || stand.counts().refused(Refusal::NotTls) == count).await;
    }
    assert_eq!(stand.client().call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn garbage_inside_tls_ends_its_connection_with_the_reason() {
    let stand = Stand::new().await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    let garbage: [(&[u8], End, &str); 4] = [
        (&[0, 0, 0, 0, 0, 0, 0x80, 0], End::TooLarge, "a message of 67108864 bytes"),
        (&[0xff; 64], End::TooLarge, "segments"),
        (&[0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], End::Protocol, ""),
        // An empty message: it is not a bootstrap, and this side has not sent the message that it calls unimplemented.
        (&[0, 0, 0, 0, 0, 0, 0, 0], End::Protocol, ""),
    ];
    for (bytes, end, reason) in garbage {
        let before = stand.counts().ended(end);
        let mut stream = connected(stand.address()).await;
        stream.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
        assert!(String::from_utf8_lossy(&said).contains(reason), "{bytes:?}");
        drop(stream);
        eventually(end.label(), || stand.counts().ended(end) == before + 1).await;
    }
    assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
    let log = stand.app.captured().text();
    let record = log.lines().find(|line| line.contains("RPC connection ended")).unwrap();
    assert!(record.contains("\"names\":[\"raw.test\"]") && record.contains("\"serial\":\""), "{record}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn resets_end_their_connections_only() {
    let stand = Stand::new().await;
    let client = stand.client();
    for _ in 0..20 {
        // The cut is during the handshake, after it, or within a message.
        reset(TcpStream::connect(stand.address()).await.unwrap());
        let (socket, _) = connected(stand.address()).await.into_inner();
        reset(socket);
        let mut stream = connected(stand.address()).await;
        stream.write_all(&[0, 0, 0]).await.unwrap();
        let (socket, _) = stream.into_inner();
        reset(socket);
    }
    eventually("all noticed", || {
        let counts = stand.counts();
        let ended = counts.ended(End::Lost) + counts.ended(End::PeerClosed);
        // A TLS 1.3 client finishes before the server, so some cuts of the second kind are of the first.
        counts.refused(Refusal::Disconnected) + ended == 60
    })
    .await;
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    stand.app.stop().await.expect_clean();
}

/// Passes bytes on, unless the network is cut.
async fn between(to: SocketAddr, network: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((here, _)) = listener.accept().await {
            let network = network.clone();
            tokio::spawn(async move {
                let there = TcpStream::connect(to).await.unwrap();
                let ((read_here, write_here), (read_there, write_there)) =
                    (here.into_split(), there.into_split());
                tokio::join!(
                    pass_on(read_here, write_there, network.clone()),
                    pass_on(read_there, write_here, network)
                );
            });
        }
    });
    address
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut network: watch::Receiver<bool>,
) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if network.wait_for(|is_there| *is_there).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[tokio::test]
async fn a_partition_costs_what_is_on_the_way_and_others_are_called_until_it_is_over() {
    let (stand, other) = (Stand::new().await, Stand::new().await);
    let (network, is_there) = watch::channel(true);
    let far = between(stand.address(), is_there.clone()).await;
    let mut config = config(&[far, other.address()], &AUTHORITY);
    config.call_timeout = Duration::from_secs(2);
    config.connect_timeout = Duration::from_secs(2);
    let client = client_of(&other.app, "client", config);
    let connected = || client.instances().iter().filter(|one| one.state == InstanceState::Connected).count();
    eventually("connected to both", || connected() == 2).await;
    network.send(false).unwrap();
    // A call to it has no answer by its deadline, and its outcome is unknown. It is one call, or few, and then none. Two at a time, so
    // that one goes there.
    let mut failed = 0;
    for _ in 0..25 {
        let call = || client.call(|quota| ask(quota, "echo", 1));
        let (one, two) = tokio::join!(call(), call());
        for error in [one, two].into_iter().filter_map(Result::err) {
            assert_eq!(error.failure(), CallFailure::MaybeExecuted, "{error}");
            failed += 1;
        }
    }
    assert!((1..=2).contains(&failed), "{failed} calls went to the instance that is gone");
    network.send(true).unwrap();
    eventually("connected again", || connected() == 2).await;
    other.app.stop().await.expect_clean();
    stand.app.stop().await.expect_clean();
}
