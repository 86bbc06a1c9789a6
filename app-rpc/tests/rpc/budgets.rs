//! The shared limits of one certificate's connections, and what is reserved for other clients.

use std::sync::Arc;

use app_metrics::testing::TestMetrics as _;
use app_rpc::{RPC_CONNECTIONS_REFUSED, Refusal};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use schema::rpc_capnp::{RpcRole, rpc_server_spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::pki::{AUTHORITY, Issued, Leaf};
use crate::raw;
use crate::stand::{ENDPOINT, PATIENCE, Stand, ask, client_of, config, eventually};

/// With TLS 1.2 a client knows when the server has accepted its handshake.
fn tls(issued: &Issued) -> Arc<ClientConfig> {
    raw::tls(Some(issued), &[&TLS12])
}

fn issue(name: &str) -> Arc<ClientConfig> {
    tls(&AUTHORITY.issue(Leaf::client(name)))
}

/// Connects, and waits until the server counts the connection as open.
async fn open(stand: &Stand, tls: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let before = stand.counts().active;
    let stream = raw::connect(stand.address(), tls).await.unwrap();
    eventually("let in", || stand.counts().active == before + 1).await;
    stream
}

/// The text for a client that passes the handshake and is refused then.
async fn turned_away(stand: &Stand, tls: &Arc<ClientConfig>) -> String {
    let mut stream = raw::connect(stand.address(), tls).await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

fn grant_admin(mut spec: rpc_server_spec::Builder<'_>) {
    let mut grant = spec.reborrow().init_grants(1).get(0);
    grant.set_name("admin.test");
    grant.set_role(RpcRole::Admin);
}

#[tokio::test]
async fn one_certificate_takes_a_part_of_the_places_and_its_client_is_told() {
    let stand = Stand::with(&|mut spec| spec.set_max_client_conns(3)).await;
    let (many, other) = (issue("many.test"), issue("other.test"));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(open(&stand, &many).await);
    }
    for refused in 1..=3 {
        let said = turned_away(&stand, &many).await;
        let expected =
            "[not executed] as many connections of its certificate are open as may be (maxClientConns)";
        assert!(said.contains(expected), "{said:?}");
        assert_eq!(stand.counts().refused(Refusal::TooManyOfCertificate), refused);
    }
    assert!(stand.app.metric(ENDPOINT, RPC_CONNECTIONS_REFUSED, ["too_many_of_certificate"]) > 2.0);
    assert!(stand.app.captured().text().contains("many.test"), "its name is in the log");
    // Another certificate has its own limit, and a free slot can be taken again.
    held.push(open(&stand, &other).await);
    drop(held.remove(0));
    eventually("given back", || stand.counts().active == 3).await;
    held.push(open(&stand, &many).await);
    assert_eq!(stand.counts().refused(Refusal::TooManyConnections), 0);
    stand.app.stop().await.expect_clean();
}

/// An ECDSA signature has two forms. With the second form of its authority's signature, a certificate has another file.
#[tokio::test]
async fn another_form_of_a_certificate_is_the_same_client() {
    let stand = Stand::with(&|mut spec| spec.set_max_client_conns(1)).await;
    let issued = AUTHORITY.issue(Leaf::client("twin.test"));
    let twin = Issued { cert: other_form(&issued.cert), key: issued.key.clone() };
    assert_ne!(issued.cert, twin.cert);
    // The certificate is valid.
    drop(open(&stand, &tls(&twin)).await);
    eventually("gone", || stand.counts().active == 0).await;
    let _held = open(&stand, &tls(&issued)).await;
    let said = turned_away(&stand, &tls(&twin)).await;
    assert!(said.contains("as many connections of its certificate are open as may be"), "{said:?}");
    stand.app.stop().await.expect_clean();
}

/// The certificate with the signature (r, n - s) for (r, s).
fn other_form(pem: &str) -> String {
    /// The order of the group of P-256.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(text).unwrap();
    // SEQUENCE { signed part, algorithm, BIT STRING { SEQUENCE { INTEGER r, INTEGER s } } }
    let (_, inner, _) = element(&der);
    let (signed, _, rest) = element(inner);
    let (algorithm, _, rest) = element(rest);
    let (_, bits, _) = element(rest);
    let (_, numbers, _) = element(&bits[1..]);
    let (r, _, rest) = element(numbers);
    let (_, s, _) = element(rest);
    let mut padded = [0; 32];
    let s = &s[s.len().saturating_sub(32)..];
    padded[32 - s.len()..].copy_from_slice(s);
    let mut borrow = 0;
    let mut other = [0; 32];
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(padded[place]) - borrow;
        borrow = i16::from(difference < 0);
        other[place] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let mut number: Vec<u8> = other.iter().copied().skip_while(|byte| *byte == 0).collect();
    if number[0] > 127 {
        number.insert(0, 0);
    }
    let numbers = tagged(0x30, &[r, &tagged(0x02, &[&number])]);
    let certificate = tagged(0x30, &[signed, algorithm, &tagged(0x03, &[&[0], &numbers])]);
    let text = BASE64_STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// The first element of DER: the whole element, its content, and the rest.
fn element(der: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (header, length) = match der[1] {
        short @ 0..=127 => (2, usize::from(short)),
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
        _ => panic!("a length that no certificate has here"),
    };
    let (all, rest) = der.split_at(header + length);
    (all, &all[header..], rest)
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, short @ 0..=127] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

#[tokio::test]
async fn readers_can_not_take_the_places_that_are_kept_for_clients_with_a_grant() {
    let stand = Stand::with(&|mut spec| {
        spec.set_max_conns(16);
        grant_admin(spec);
    })
    .await;
    // 4 of the 16 slots are reserved, and a certificate may have 8 of the others.
    let (mut held, mut of_operators) = (Vec::new(), Vec::new());
    for name in ["one.test", "two.test"] {
        let tls = issue(name);
        for _ in 0..6 {
            held.push(open(&stand, &tls).await);
        }
    }
    let said = turned_away(&stand, &issue("three.test")).await;
    assert!(said.contains("[not executed] as many connections are open as may be (maxConns)"), "{said:?}");
    // A certificate with a grant can take two of them, and leaves the rest to others.
    for _ in 0..2 {
        let operator = issue("admin.test");
        for _ in 0..2 {
            of_operators.push(open(&stand, &operator).await);
        }
        let said = turned_away_or_refused(&stand, &operator).await;
        assert!(said, "it has its part");
    }
    assert_eq!(stand.counts().active, 16);
    drop(of_operators);
    eventually("given back", || stand.counts().active == 12).await;
    let mut config = config(&[stand.address()], &AUTHORITY);
    config.key_pair = AUTHORITY.issue(Leaf::client("admin.test")).pair();
    let operator = client_of(&stand.app, "operator", config);
    assert_eq!(operator.call(|quota| ask(quota, "echo", 5)).await, Ok(5));
    stand.app.stop().await.expect_clean();
}

/// Whether the client is refused for lack of a slot, before the handshake or after it.
async fn turned_away_or_refused(stand: &Stand, tls: &Arc<ClientConfig>) -> bool {
    let Ok(mut stream) = raw::connect(stand.address(), tls).await else { return true };
    let mut said = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
    read.is_err() || String::from_utf8_lossy(&said).contains("as many connections are open as may be")
}

#[tokio::test]
async fn clients_that_were_turned_away_and_do_not_go_make_room_for_others() {
    let stand = Stand::with(&|mut spec| spec.set_max_client_conns(1)).await;
    let many = raw::tls(Some(&AUTHORITY.issue(Leaf::client("many.test"))), &[&TLS13]);
    let _held = open(&stand, &issue("held.test")).await;
    let _first = open(&stand, &many).await;
    let mut stay = Vec::new();
    for _ in 0..60 {
        let mut stream = raw::connect(stand.address(), &many).await.unwrap();
        // The client continues as if it had read nothing, while it still can.
        let _ = stream.write_all(&[0; 64]).await;
        stay.push(stream);
    }
    let refused = || stand.counts().refused(Refusal::TooManyOfCertificate);
    eventually("all are refused", || refused() == 60).await;
    assert_eq!(stand.counts().active, 2);
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 7)).await, Ok(7));
    stand.app.stop().await.expect_clean();
}
