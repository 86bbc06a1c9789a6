//! Accepted and refused certificates, each refusal with its reason.

use std::sync::atomic::Ordering;

use app_rpc::{CallFailure, Refusal, Role};
use rcgen::KeyPair;
use rustls::ALL_VERSIONS;
use rustls::version::{TLS12, TLS13};

use crate::openssl;
use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::raw::{is_let_in, tls};
use crate::stand::{NAME, Spec, Stand, ask, client_of, config, eventually};

/// A client with this certificate is refused, and the reason is counted and logged, with its serial number if it showed one.
async fn assert_refused(stand: &Stand, shown: Option<&Issued>, why: Refusal, serial: Option<&str>) {
    for version in [&TLS13, &TLS12] {
        let before = stand.counts().refused(why);
        let let_in = is_let_in(stand.address(), &tls(shown, &[version])).await;
        assert!(!let_in, "{why} with {version:?}");
        eventually(why.label(), || stand.counts().refused(why) == before + 1).await;
    }
    let log = stand.app.captured().text();
    let record = log.lines().rfind(|line| line.contains("RPC connection refused")).unwrap();
    assert!(record.contains(&format!("\"reason\":\"{why}\"")), "{record}");
    assert!(record.contains("\"peer\":\"127.0.0.1:"), "{record}");
    let shows_none = shown.is_none();
    let serial = serial.unwrap_or("");
    // The record has the serial number of the certificate, which is random if the test sets none.
    let known = if serial.is_empty() && !shows_none {
        "\"serial\":\"".to_owned()
    } else {
        format!("\"serial\":\"{serial}\"")
    };
    assert!(record.contains(&known), "{record}");
}

#[tokio::test]
async fn clients_without_a_good_certificate_are_refused_for_the_reason() {
    let stand = Stand::new().await;
    let leaf = || Leaf::client("client.test").serial(0x1a2b);
    let serial = Some("1a2b");
    let other = Authority::new("another authority");
    assert_refused(&stand, None, Refusal::NoCertificate, None).await;
    assert_refused(&stand, Some(&other.issue(leaf())), Refusal::UnknownAuthority, serial).await;
    assert_refused(&stand, Some(&leaf().self_signed()), Refusal::UnknownAuthority, serial).await;
    let expired = AUTHORITY.issue(leaf().years(2001, 2002));
    assert_refused(&stand, Some(&expired), Refusal::Expired, serial).await;
    let early = AUTHORITY.issue(leaf().years(2200, 2201));
    assert_refused(&stand, Some(&early), Refusal::NotYetValid, serial).await;
    let server = AUTHORITY.issue(Leaf::server("client.test").serial(0x1a2b));
    assert_refused(&stand, Some(&server), Refusal::WrongPurpose, serial).await;
    assert_eq!(stand.counts().established, 0);
    // The same certificate, but valid.
    let good = AUTHORITY.issue(leaf());
    for version in [&TLS13, &TLS12] {
        assert!(is_let_in(stand.address(), &tls(Some(&good), &[version])).await, "{version:?}");
    }
    assert_eq!(stand.counts().established, 2);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_chain_is_let_in_to_a_depth_and_not_beyond() {
    let mut between = vec![AUTHORITY.intermediate("1")];
    for depth in 2..=7 {
        let next = between.last().unwrap().intermediate(&depth.to_string());
        between.push(next);
    }
    let issued = |depth: usize| {
        let chain: Vec<_> = between[..depth].iter().rev().collect();
        chain[0].issue_with(Leaf::client("deep.test"), &chain)
    };
    let stand = Stand::new().await;
    assert!(is_let_in(stand.address(), &tls(Some(&issued(1)), ALL_VERSIONS)).await);
    assert!(is_let_in(stand.address(), &tls(Some(&issued(5)), ALL_VERSIONS)).await);
    let mut deep = issued(7);
    assert_refused(&stand, Some(&deep), Refusal::ChainTooLong, None).await;
    // A chain that repeats one certificate many times is refused too, and not checked to its end.
    deep.cert = format!("{}{}", deep.cert, between[0].pem().repeat(40));
    assert_refused(&stand, Some(&deep), Refusal::ChainTooLong, None).await;
    assert_eq!(stand.counts().established, 2);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn revocation_is_checked_and_a_stale_list_lets_nobody_in() {
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    let good = AUTHORITY.issue(Leaf::client("good.test").serial(7));
    let revoked = AUTHORITY.issue(Leaf::client("revoked.test").serial(0x1a2b));
    let stand =
        async |ca: &str, crl: &str| Stand::of(Spec { server: &server, ca, crl, change: &|_| {} }).await;
    let with_list = stand(&AUTHORITY.pem(), &AUTHORITY.crl(&[0x1a2b], 2100)).await;
    assert!(is_let_in(with_list.address(), &tls(Some(&good), ALL_VERSIONS)).await);
    assert_refused(&with_list, Some(&revoked), Refusal::Revoked, Some("1a2b")).await;
    // A certificate of an authority without a list.
    let between = AUTHORITY.intermediate("between");
    let unknown = between.issue_with(Leaf::client("unknown.test").serial(9), &[&between]);
    assert_refused(&with_list, Some(&unknown), Refusal::RevocationUnknown, Some("09")).await;
    // One authority has a good list, because a config that accepts no peer would be refused.
    let another = Authority::new("another authority");
    let lists = format!("{}{}", AUTHORITY.crl(&[0x1a2b], 2021), another.crl(&[], 2100));
    let stale = stand(&format!("{}{}", AUTHORITY.pem(), another.pem()), &lists).await;
    assert_refused(&stale, Some(&good), Refusal::RevocationListExpired, Some("07")).await;
    assert_refused(&stale, Some(&revoked), Refusal::RevocationListExpired, Some("1a2b")).await;
    with_list.app.stop().await.expect_clean();
    stale.app.stop().await.expect_clean();
}

#[tokio::test]
async fn nothing_is_resumed_so_a_revocation_takes_effect_at_the_next_connection() {
    let stand = Stand::new().await;
    let issued = AUTHORITY.issue(Leaf::client("client.test").serial(0x1a2b));
    // One config, which keeps sessions and tickets if it gets any.
    let configs = [tls(Some(&issued), &[&TLS13]), tls(Some(&issued), &[&TLS12])];
    for tls in &configs {
        for _ in 0..2 {
            let mut stream = crate::raw::connect(stand.address(), tls).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.handshake_kind(), Some(rustls::HandshakeKind::Full));
            // Tickets come with the first read, if there are any.
            let mut byte = [0];
            let reading = tokio::io::AsyncReadExt::read(&mut stream, &mut byte);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(50), reading).await;
        }
    }
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    let crl = AUTHORITY.crl(&[0x1a2b], 2100);
    let spec = Spec { server: &server, ca: &AUTHORITY.pem(), crl: &crl, change: &|_| {} };
    spec.put(stand.app.config_dir());
    stand.app.reload();
    eventually("reloaded", || stand.app.captured().text().contains("goes on with its new config")).await;
    for tls in &configs {
        assert!(!is_let_in(stand.address(), tls).await);
    }
    eventually("refused", || stand.counts().refused(Refusal::Revoked) == 2).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_calls_no_server_but_the_one_it_means() {
    let other_name = NAME.to_string().replace("d0_", "d1_");
    let server = Authority::new("another").issue(Leaf::server(&NAME.to_string()));
    let stand = Stand::of(Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }).await;
    let (client, why) = (stand.client(), Refusal::UnknownAuthority);
    eventually(why.label(), || client.instances().iter().any(|one| one.refusal == Some(why))).await;
    stand.app.stop().await.expect_clean();
    // No config has this certificate, but a thief may.
    let stand = Stand::new().await;
    let name = NAME.to_string();
    let mut between = vec![AUTHORITY.intermediate("1")];
    for depth in 2..=7 {
        let next = between.last().unwrap().intermediate(&depth.to_string());
        between.push(next);
    }
    let chain: Vec<_> = between.iter().rev().collect();
    let wrong = [
        (AUTHORITY.issue(Leaf::server(&name).years(2001, 2002)), Refusal::Expired),
        (AUTHORITY.issue(Leaf::server(&name).years(2200, 2201)), Refusal::NotYetValid),
        (AUTHORITY.issue(Leaf::client(&name)), Refusal::WrongPurpose),
        (AUTHORITY.issue(Leaf::server("another.test")), Refusal::WrongName),
        (Leaf::server(&name).self_signed(), Refusal::UnknownAuthority),
        (chain[0].issue_with(Leaf::server(&name), &chain), Refusal::ChainTooLong),
    ];
    for (server, why) in wrong {
        for version in [&TLS13, &TLS12] {
            let address = crate::raw::server(&server, &[version]).await;
            let client = client_of(&stand.app, "client", config(&[address], &AUTHORITY));
            let refused = || client.instances().iter().any(|one| one.refusal == Some(why));
            eventually(why.label(), refused).await;
        }
    }
    // The certificate has another name: that of another server.
    let mut elsewhere = config(&[stand.address()], &AUTHORITY);
    elsewhere.name.domain = app_ids::DomainId::new(0xd1);
    assert_eq!(elsewhere.name.to_string(), other_name);
    elsewhere.call_timeout = std::time::Duration::from_millis(500);
    let client = client_of(&stand.app, "client", elsewhere);
    eventually("tried", || client.instances().iter().any(|one| one.refusal.is_some())).await;
    let failed = client.call(|quota| ask(quota, "echo", 1)).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::NotSent);
    assert!(failed.reason().contains("127.0.0.1:"), "{failed}");
    assert_eq!(client.instances()[0].refusal, Some(Refusal::WrongName), "{failed}");
    assert_eq!(stand.seen.begun.load(Ordering::SeqCst), 0);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_checks_revocation_too() {
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()).serial(0x77));
    let spec = Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} };
    let stand = Stand::of(spec).await;
    for (revoked, until, why) in
        [(&[0x77][..], 2100, Refusal::Revoked), (&[], 2021, Refusal::RevocationListExpired)]
    {
        let mut config = config(&[stand.address()], &AUTHORITY);
        let crl = AUTHORITY.crl(revoked, until);
        config.servers = app_rpc::Authorities::from_pem(AUTHORITY.pem().as_bytes(), crl.as_bytes()).unwrap();
        let client = client_of(&stand.app, "client", config);
        eventually(why.label(), || client.instances().iter().any(|one| one.refusal == Some(why))).await;
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn keys_of_every_kind_serve() {
    let mut kinds = vec![
        ("P-256", Leaf::server(&NAME.to_string())),
        ("P-384", {
            let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
            Leaf::server(&NAME.to_string()).key(key)
        }),
        ("Ed25519", {
            let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            Leaf::server(&NAME.to_string()).key(key)
        }),
    ];
    if let Some(pem) = openssl::rsa_key() {
        kinds.push(("RSA", Leaf::server(&NAME.to_string()).key(KeyPair::from_pem(&pem).unwrap())));
    }
    for (kind, leaf) in kinds {
        let between = AUTHORITY.intermediate("between");
        let server = between.issue_with(leaf, &[&between]);
        let spec = Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} };
        let stand = Stand::of(spec).await;
        let permits = stand.client().call(|quota| ask(quota, "echo", 3)).await;
        assert_eq!(permits, Ok(3), "{kind}");
        stand.app.stop().await.expect_clean();
    }
}

#[tokio::test]
async fn a_handler_knows_what_its_client_may_do() {
    let stand = Stand::with(&|spec| {
        let mut grants = spec.init_grants(1);
        let mut grant = grants.reborrow().get(0);
        grant.set_name("Client.Test");
        grant.set_role(schema::rpc_capnp::RpcRole::Operate);
    })
    .await;
    let role = |client: app_rpc::RpcClient<quota_schema::quota_capnp::quota::Client>| async move {
        let call = |quota: quota_schema::quota_capnp::quota::Client| async move {
            let request = quota.acquire_request();
            Ok(request.send().promise.await?.get()?.get_retry_after_millis())
        };
        client.call(call).await.unwrap()
    };
    assert_eq!(role(stand.client()).await, Role::Operate as u32);
    let mut other = config(&[stand.address()], &AUTHORITY);
    other.key_pair = AUTHORITY.issue(Leaf::client("other.test")).pair();
    assert_eq!(role(client_of(&stand.app, "other", other)).await, Role::Read as u32);
    stand.app.stop().await.expect_clean();
}
