//! Clients that send slowly, in the smallest pieces, or do not read.

use std::time::Duration;

use app_rpc::{End, Refusal};
use capnp_rpc::rpc_capnp::message;
use rustls::version::TLS13;
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::pki::{AUTHORITY, Leaf};
use crate::raw::{self, connected};
use crate::stand::{PATIENCE, Stand, ask, eventually};

/// A bootstrap question in bytes.
fn bootstrap(question: u32) -> Vec<u8> {
    let mut request = capnp::message::Builder::new_default();
    request.init_root::<message::Builder<'_>>().init_bootstrap().set_question_id(question);
    capnp::serialize::write_message_to_words(&request)
}

/// Sends a byte now and then while it can, and repeats the last one.
async fn trickle(stream: &mut TcpStream, bytes: &[u8]) {
    let mut ticks = interval(Duration::from_millis(20));
    let mut read = [0];
    for byte in bytes.iter().chain(std::iter::repeat(bytes.last().unwrap())) {
        tokio::select! {
            _ = ticks.tick() => if stream.write_all(&[*byte]).await.is_err() { return },
            end = stream.read(&mut read) => if matches!(end, Ok(0) | Err(_)) { return },
        }
    }
}

#[tokio::test]
async fn a_handshake_byte_by_byte_does_not_get_more_time() {
    let stand = Stand::with(&|spec| spec.init_limits().set_handshake_millis(300)).await;
    let mut stream = TcpStream::connect(stand.address()).await.unwrap();
    // A record of a handshake that claims to be long.
    timeout(PATIENCE, trickle(&mut stream, &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0])).await.unwrap();
    eventually("refused", || stand.counts().refused(Refusal::HandshakeTimeout) == 1).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_record_that_never_ends_is_no_sign_of_life() {
    // Between messages a silent connection is idle. Within a message it is stalled.
    for (begun, idle_seconds, end) in [(false, 1, End::Idle), (true, 600, End::Stalled)] {
        let stand = Stand::with(&|spec| {
            let mut limits = spec.init_limits();
            limits.set_idle_seconds(idle_seconds);
            limits.set_stall_millis(500);
        })
        .await;
        let mut stream = connected(stand.address()).await;
        if begun {
            stream.write_all(&bootstrap(0)[..9]).await.unwrap();
        }
        let (mut socket, mut session) = stream.into_inner();
        session.writer().write_all(&bootstrap(0)).unwrap();
        let mut record = Vec::new();
        session.write_tls(&mut record).unwrap();
        // Everything but the end, which never comes.
        record[3..5].copy_from_slice(&[0x40, 0]);
        timeout(PATIENCE, trickle(&mut socket, &record)).await.unwrap();
        drop(socket);
        eventually(end.label(), || stand.counts().ended(end) == 1).await;
        stand.app.stop().await.expect_clean();
    }
}

#[tokio::test]
async fn a_message_in_the_smallest_pieces_is_answered() {
    let stand = Stand::new().await;
    let issued = AUTHORITY.issue(Leaf::client("raw.test"));
    let mut stream = raw::connect(stand.address(), &raw::tls(Some(&issued), &[&TLS13])).await.unwrap();
    for question in 0..20 {
        for byte in bootstrap(question) {
            // Each byte in a TLS record of its own.
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
        }
        let segments = stream.read_u32_le().await.unwrap() + 1;
        let mut words = 0;
        for _ in 0..segments {
            words += stream.read_u32_le().await.unwrap();
        }
        // The table has whole words.
        let mut rest = vec![0; words as usize * 8 + if segments % 2 == 0 { 4 } else { 0 }];
        stream.read_exact(&mut rest).await.unwrap();
    }
    assert_eq!(stand.counts().active, 1);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_put_out_and_the_others_do_not_notice() {
    let stand = Stand::with(&|spec| {
        let mut limits = spec.init_limits();
        limits.set_max_message_bytes(4096);
        limits.set_max_queued_bytes(64 << 10);
        limits.set_max_calls(1 << 20);
        limits.set_stall_millis(300);
    })
    .await;
    let client = stand.client();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&stand.address().into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = TcpStream::from_std(socket.into()).unwrap();
    let issued = AUTHORITY.issue(Leaf::client("raw.test"));
    let mut stream = raw::over(socket, &raw::tls(Some(&issued), rustls::ALL_VERSIONS)).await.unwrap();
    let flood = async {
        for question in 0.. {
            if stream.write_all(&bootstrap(question)).await.is_err() {
                return;
            }
            if question % 5000 == 0 {
                assert_eq!(client.call(|quota| ask(quota, "echo", 2)).await, Ok(2));
            }
        }
    };
    timeout(PATIENCE, flood).await.unwrap();
    eventually("put out", || stand.counts().ended(End::NotReading) == 1).await;
    assert_eq!(client.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    stand.app.stop().await.expect_clean();
}
