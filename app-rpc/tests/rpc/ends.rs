//! Certificates that expire while their connections are open, and the reason of each refusal.

use std::time::{Duration, SystemTime};

use app_rpc::{CERTIFICATE_END, End, InstanceState, Refusal, admin::APP_RPC_SERVICE_ID};
use rustls::version::{TLS12, TLS13};

use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::raw::{is_let_in, tls};
use crate::stand::{NAME, Spec, Stand, ask, client_of, config, eventually};

/// Longer than a handshake on a machine that is busy with other tests.
const SHORT: Duration = Duration::from_secs(12);

/// A client with a certificate that expires soon.
fn short(mut leaf: Leaf) -> Issued {
    leaf.params.not_after = (SystemTime::now() + SHORT).into();
    AUTHORITY.issue(leaf)
}

#[tokio::test]
async fn a_connection_ends_with_the_certificate_of_its_client() {
    let stand = Stand::new().await;
    let mut config = config(&[stand.address()], &AUTHORITY);
    config.key_pair = short(Leaf::client("short.test")).pair();
    let client = client_of(&stand.app, "short", config);
    assert_eq!(client.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    eventually("the end", || stand.counts().ended(End::Expired) == 1).await;
    // The client connects again with the expired certificate, and is refused with this reason.
    let why = Refusal::Expired;
    eventually("refused", || stand.counts().refused(why) > 0).await;
    let told = || client.instances().into_iter().find_map(|one| one.failure).unwrap_or_default();
    eventually("told", || told().contains("does not accept our certificate: it has expired")).await;
    let log = stand.app.captured().text();
    let record = log.lines().rfind(|line| line.contains("RPC connection refused")).unwrap();
    assert!(record.contains("its certificate expired at 2"), "{record}");
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_leaves_a_server_whose_certificate_ended_until_it_has_another() {
    let server = short(Leaf::server(&NAME.to_string()));
    let stand = Stand::of(Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }).await;
    let client = stand.client();
    assert_eq!(client.call(|quota| ask(quota, "echo", 3)).await, Ok(3));
    let left = || {
        let instances = client.instances();
        instances
            .iter()
            .all(|one| one.state != InstanceState::Connected && one.refusal == Some(Refusal::Expired))
    };
    eventually("left", left).await;
    let failure = client.instances()[0].failure.clone().unwrap();
    assert!(failure.contains("its certificate expired at 2"), "{failure}");
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }.put(stand.app.config_dir());
    stand.app.reload();
    assert_eq!(client.call(|quota| ask(quota, "echo", 4)).await, Ok(4));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn ends_of_all_that_is_in_use_are_metrics_and_what_ends_soon_is_warned_of() {
    let between = AUTHORITY.intermediate("between");
    let mut leaf = Leaf::server(&NAME.to_string());
    leaf.params.not_after = (SystemTime::now() + Duration::from_secs(3 * 24 * 3600)).into();
    let server = between.issue_with(leaf, &[&between]);
    let spec =
        Spec { server: &server, ca: &AUTHORITY.pem(), crl: &AUTHORITY.crl(&[], 2100), change: &|_| {} };
    let stand = Stand::of(spec).await;
    let series = || {
        let family = format!("{}{{", CERTIFICATE_END.prometheus_name(APP_RPC_SERVICE_ID));
        let scrape = app_metrics::testing::TestMetrics::scrape(&stand.app);
        scrape.lines().filter(|line| line.starts_with(&family)).map(str::to_owned).collect::<Vec<_>>()
    };
    let shown = series();
    for what in ["server", "intermediate", "authority", "revocation_list"] {
        let of = |line: &&String| line.contains(&format!("what=\"{what}\""));
        assert_eq!(shown.iter().filter(of).count(), 1, "{what}: {shown:#?}");
    }
    assert!(shown.iter().all(|line| line.contains("service=\"obedient-rpc\"")), "{shown:#?}");
    let log = stand.app.captured().text();
    assert_eq!(log.matches("in use ends soon").count(), 1, "{log}");
    // The gauge does not show it any more.
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }.put(stand.app.config_dir());
    stand.app.reload();
    eventually("shown", || series().len() == 2).await;
    stand.app.stop().await.expect_clean();
}

/// The server's log has this text about a client with this certificate.
async fn logged(stand: &Stand, shown: &Issued, why: Refusal, words: &str) {
    for version in [&TLS13, &TLS12] {
        let before = stand.counts().refused(why);
        assert!(!is_let_in(stand.address(), &tls(Some(shown), &[version])).await);
        eventually(why.label(), || stand.counts().refused(why) == before + 1).await;
        let record = || {
            let log = stand.app.captured().text();
            log.lines().rfind(|line| line.contains("RPC connection refused")).unwrap_or_default().to_owned()
        };
        // The refusal is counted before it is logged.
        eventually(words, || record().contains(words)).await;
        let record = record();
        assert!(!record.contains("InvalidCertificate") && !record.contains("http"), "{record}");
    }
}

#[tokio::test]
async fn each_refusal_of_a_client_says_what_leads_to_its_cure() {
    let stand = Stand::new().await;
    let (between, leaf) = (AUTHORITY.intermediate("between"), || Leaf::client("client.test"));
    let missing = between.issue(leaf());
    logged(&stand, &missing, Refusal::UnknownAuthority, "CN=between is not, and nothing shown leads further")
        .await;
    logged(&stand, &leaf().self_signed(), Refusal::UnknownAuthority, "signed it itself").await;
    let early = AUTHORITY.issue(leaf().years(2200, 2201));
    logged(&stand, &early, Refusal::NotYetValid, "is not valid before 2200-01-01T00:00:00Z").await;
    // An authority of the same name with another key.
    let again = Authority::new("test authority").issue(leaf());
    logged(&stand, &again, Refusal::BadCertificate, "is not signed with the key that is trusted here").await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_is_told_why_it_is_refused() {
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    // One authority has a good list, because a config that accepts no peer would be refused.
    let another = Authority::new("another authority");
    let (ca, fresh) = (format!("{}{}", AUTHORITY.pem(), another.pem()), another.crl(&[], 2100));
    let stale = format!("{}{fresh}", AUTHORITY.crl(&[], 2021));
    let leaf = || Leaf::client("client.test");
    let early = AUTHORITY.issue(leaf().years(2200, 2201));
    for (crl, shown, words) in [
        ("", &early, "it is not valid yet, by the clock there"),
        (&stale, &AUTHORITY.issue(leaf()), "a revocation list there is stale"),
        (&fresh, &AUTHORITY.issue(leaf()), "no revocation list there says of it"),
        ("", &AUTHORITY.issue(Leaf::server("client.test")), "it is not for this purpose"),
    ] {
        let stand = Stand::of(Spec { server: &server, ca: &ca, crl, change: &|_| {} }).await;
        let mut config = config(&[stand.address()], &AUTHORITY);
        config.key_pair = shown.pair();
        let client = client_of(&stand.app, "refused", config);
        let told = || client.instances().into_iter().find_map(|one| one.failure).unwrap_or_default();
        eventually(words, || told().contains(words)).await;
        stand.app.stop().await.expect_clean();
    }
}
