//! Certificates of `app_pki`: servers, clients and openssl accept them, or refuse them for the right reasons.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use app_pki::{
    Authority, AuthorityOptions, CertificateInfo, CertificateKind, ClientName, CrlInfo, Issued, KeyKind,
    LeafOptions, PkiError, Revoked, Subject, Validity,
};
use app_rpc::{Authorities, CallFailure, InstanceState, InstanceStatus, KeyPair, Refusal, RpcClientConfig};
use rustls::ALL_VERSIONS;

use crate::openssl;
use crate::pki::AUTHORITY;
use crate::raw::{is_let_in, tls};
use crate::stand::{NAME, Spec, Stand, ask, client_of, eventually};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn root(path_length: u8) -> Authority {
    Authority::root(&AuthorityOptions::new("root of tests", Validity::days(10)).path_length(path_length))
        .unwrap()
}

fn under(above: &Authority, name: &str, path_length: u8) -> Authority {
    let validity = Validity::days(9).until_at_most(above.info().validity.not_after);
    above.intermediate(&AuthorityOptions::new(name, validity).path_length(path_length)).unwrap()
}

fn client() -> Subject {
    Subject::Client(ClientName::new("client.test").unwrap())
}

/// A validity in days from now. The first day may be in the past.
fn days(from: i64, to: i64) -> LeafOptions {
    let now = SystemTime::now();
    let at = |days: i64| {
        let by = DAY * u32::try_from(days.unsigned_abs()).unwrap();
        if days < 0 { now - by } else { now + by }
    };
    LeafOptions::new(Validity { not_before: at(from), not_after: at(to) })
}

fn shown(issued: &Issued) -> crate::pki::Issued {
    let key = String::from_utf8(issued.key.to_vec()).unwrap();
    crate::pki::Issued { cert: issued.certificate.clone(), key }
}

fn list(authority: &Authority, revoked: &[&Issued], until: i64) -> String {
    let revoked: Vec<_> = revoked
        .iter()
        .map(|issued| Revoked { serial: issued.info.serial.clone(), at: SystemTime::now() })
        .collect();
    authority.crl(&revoked, 7, days(-3, until).validity).unwrap()
}

/// A server that accepts clients of this authority.
async fn stand(authority: &Authority, crl: &str) -> Stand {
    let server = AUTHORITY.issue(crate::pki::Leaf::server(&NAME.to_string()));
    Stand::of(Spec { server: &server, ca: authority.root_pem().unwrap(), crl, change: &|_| {} }).await
}

async fn assert_refused(stand: &Stand, issued: &Issued, why: Refusal) {
    let before = stand.counts().refused(why);
    assert!(!is_let_in(stand.address(), &tls(Some(&shown(issued)), ALL_VERSIONS)).await, "{why}");
    eventually(why.label(), || stand.counts().refused(why) == before + 1).await;
}

#[tokio::test]
async fn servers_and_clients_of_every_kind_of_key_and_of_any_chain_take_each_other() {
    for kind in KeyKind::ALL {
        let options = AuthorityOptions::new("root", Validity::days(10)).path_length(1).key(kind);
        let top = Authority::root(&options).unwrap();
        let between =
            top.intermediate(&AuthorityOptions::new("between", Validity::days(9)).key(kind)).unwrap();
        for issuer in [&top, &between] {
            let leaf = LeafOptions::days(3).key(kind);
            let server = issuer.issue(&Subject::Server(NAME), &leaf).unwrap();
            let client = issuer.issue(&client(), &leaf).unwrap();
            let lists = list(&between, &[], 1) + &list(&top, &[], 1);
            let ca = top.root_pem().unwrap();
            let stand = Stand::of(Spec { server: &shown(&server), ca, crl: &lists, change: &|_| {} }).await;
            let pair = KeyPair::from_pem(&client.key, client.certificate.as_bytes()).unwrap();
            let servers = Authorities::from_pem(ca.as_bytes(), lists.as_bytes()).unwrap();
            let mut config = RpcClientConfig::new(NAME, 1, pair, servers);
            config.addresses = vec![stand.address().to_string()];
            let called = client_of(&stand.app, "client", config).call(|quota| ask(quota, "echo", 3)).await;
            assert_eq!(called, Ok(3), "{kind}");
            stand.app.stop().await.expect_clean();
        }
    }
}

#[tokio::test]
async fn every_refusal_of_a_certificate_can_be_made() {
    let authority = root(0);
    let good = authority.issue(&client(), &days(-1, 3)).unwrap();
    let revoked = authority.issue(&client(), &days(-1, 3)).unwrap();
    let current = stand(&authority, &list(&authority, &[&revoked], 1)).await;
    assert!(is_let_in(current.address(), &tls(Some(&shown(&good)), ALL_VERSIONS)).await);
    assert_refused(&current, &revoked, Refusal::Revoked).await;
    let expired = authority.issue(&client(), &days(-3, -1)).unwrap();
    assert_refused(&current, &expired, Refusal::Expired).await;
    let early = authority.issue(&client(), &days(1, 3)).unwrap();
    assert_refused(&current, &early, Refusal::NotYetValid).await;
    let server = authority.issue(&Subject::Server(NAME), &days(-1, 3)).unwrap();
    assert_refused(&current, &server, Refusal::WrongPurpose).await;
    let other = Authority::root(&AuthorityOptions::new("another", Validity::days(10))).unwrap();
    let foreign = other.issue(&client(), &days(-1, 3)).unwrap();
    assert_refused(&current, &foreign, Refusal::UnknownAuthority).await;
    // One authority has a good list, because a config that accepts no peer would be refused.
    let lists = format!("{}{}", list(&authority, &[], -1), list(&other, &[], 1));
    let both = format!("{}{}", authority.root_pem().unwrap(), other.root_pem().unwrap());
    let server = AUTHORITY.issue(crate::pki::Leaf::server(&NAME.to_string()));
    let stale = Stand::of(Spec { server: &server, ca: &both, crl: &lists, change: &|_| {} }).await;
    assert_refused(&stale, &good, Refusal::RevocationListExpired).await;
    current.app.stop().await.expect_clean();
    stale.app.stop().await.expect_clean();
    // Authorities under authorities: each needs its own list, and a chain can be too long.
    let top = root(7);
    let mut chain = vec![under(&top, "1", 6)];
    for depth in 2..=7u8 {
        let next = under(chain.last().unwrap(), &depth.to_string(), 7 - depth);
        chain.push(next);
    }
    let deep = |depth: usize| chain[depth - 1].issue(&client(), &days(-1, 3)).unwrap();
    let without_lists = stand(&top, "").await;
    assert!(is_let_in(without_lists.address(), &tls(Some(&shown(&deep(5))), ALL_VERSIONS)).await);
    let before = without_lists.counts();
    assert!(!is_let_in(without_lists.address(), &tls(Some(&shown(&deep(7))), ALL_VERSIONS)).await);
    eventually("refused", || without_lists.counts().refusals != before.refusals).await;
    let half = stand(&top, &list(&top, &[], 1)).await;
    assert_refused(&half, &deep(1), Refusal::RevocationUnknown).await;
    without_lists.app.stop().await.expect_clean();
    half.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_client_refuses_a_server_of_another_name_or_that_is_revoked() {
    let authority = root(0);
    let mut other = NAME;
    other.domain = app_ids::DomainId::new(0xd1);
    let right = authority.issue(&Subject::Server(NAME), &days(-1, 3)).unwrap();
    let ca = authority.root_pem().unwrap();
    let stand = Stand::of(Spec { server: &shown(&right), ca, crl: "", change: &|_| {} }).await;
    let client = authority.issue(&client(), &days(-1, 3)).unwrap();
    let called = async |name, crl: String| {
        let pair = KeyPair::from_pem(&client.key, client.certificate.as_bytes()).unwrap();
        let servers = Authorities::from_pem(ca.as_bytes(), crl.as_bytes()).unwrap();
        let mut config = RpcClientConfig::new(name, 1, pair, servers);
        config.addresses = vec![stand.address().to_string()];
        config.call_timeout = Duration::from_secs(2);
        let client = client_of(&stand.app, "client", config);
        let tried = |one: &InstanceStatus| one.state == InstanceState::Connected || one.refusal.is_some();
        eventually("tried", || client.instances().iter().any(tried)).await;
        let failed = client.call(|quota| ask(quota, "echo", 1)).await.map_err(|failed| failed.failure());
        (failed, client.instances()[0].refusal)
    };
    assert_eq!(called(NAME, String::new()).await, (Ok(1), None));
    assert_eq!(called(other, String::new()).await, (Err(CallFailure::NotSent), Some(Refusal::WrongName)));
    let revoked = called(NAME, list(&authority, &[&right], 1)).await;
    assert_eq!(revoked, (Err(CallFailure::NotSent), Some(Refusal::Revoked)));
    stand.app.stop().await.expect_clean();
}

#[test]
fn an_authority_makes_nothing_that_it_may_not() {
    let top = root(1);
    let between = under(&top, "between", 0);
    let options = |name: &str, days| AuthorityOptions::new(name, Validity::days(days));
    assert_eq!(top.intermediate(&options("x", 5).path_length(1)).unwrap_err(), PkiError::PathLength);
    assert_eq!(between.intermediate(&options("x", 5)).unwrap_err(), PkiError::PathLength);
    assert_eq!(top.intermediate(&options("root of tests", 5)).unwrap_err(), PkiError::SameName);
    assert!(matches!(top.intermediate(&options("x", 11)), Err(PkiError::OutlivesAuthority { .. })));
    assert!(matches!(top.issue(&client(), &LeafOptions::days(11)), Err(PkiError::OutlivesAuthority { .. })));
    assert_eq!(top.issue(&client(), &days(3, 1)).unwrap_err(), PkiError::Validity);
    let (long, lines) = ("x".repeat(65), "a\nb");
    for name in ["", " ", lines, &long] {
        assert_eq!(Authority::root(&options(name, 5)).unwrap_err(), PkiError::AuthorityName, "{name:?}");
    }
    // The key of another authority, a leaf, and a text that is not a certificate.
    let (other, leaf) = (root(0), top.issue(&client(), &LeafOptions::days(5)).unwrap());
    let read = |key: &[u8], chain: &str| Authority::from_pem(key, chain.as_bytes()).unwrap_err();
    assert_eq!(read(&other.key_pem(), top.chain_pem()), PkiError::KeyOfAnother);
    assert_eq!(read(&leaf.key, &leaf.certificate), PkiError::NoAuthority);
    assert!(matches!(read(&leaf.key, "x"), PkiError::Pem(_)));
    assert!(matches!(read(b"x", top.chain_pem()), PkiError::Pem(_)));
    assert_eq!(top.check_issued(leaf.certificate.as_bytes()), Ok(()));
    // An authority with the same name and another key.
    assert_eq!(other.check_issued(leaf.certificate.as_bytes()), Err(PkiError::Foreign));
    let shown = format!("{:?} {:?}", top, leaf);
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

/// The answer of openssl about these files, which are in a temporary folder.
fn openssl_says(dir: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(args).current_dir(dir).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn openssl_verifies_the_chains_and_reads_what_they_say() {
    if !openssl::is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &str| std::fs::write(dir.path().join(name), content).unwrap();
    let says = |args: &[&str]| openssl_says(dir.path(), args);
    for kind in KeyKind::ALL {
        let options = AuthorityOptions::new("root", Validity::days(10)).path_length(1).key(kind);
        let top = Authority::root(&options).unwrap();
        let between =
            top.intermediate(&AuthorityOptions::new("between", Validity::days(9)).key(kind)).unwrap();
        let leaf = LeafOptions::days(3).key(kind);
        let server = between.issue(&Subject::Server(NAME), &leaf).unwrap();
        let gone = between.issue(&client(), &leaf).unwrap();
        put("root.pem", top.root_pem().unwrap());
        put("between.pem", between.chain_pem());
        put("server.pem", &server.certificate);
        put("client.pem", &gone.certificate);
        put("client.key", std::str::from_utf8(&gone.key).unwrap());
        put("crl.pem", &(list(&between, &[&gone], 1) + &list(&top, &[], 1)));
        let verify = ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "between.pem"];
        let good =
            [&verify[..], &["-purpose", "sslserver", "-crl_check_all", "-CRLfile", "crl.pem", "server.pem"]];
        assert_eq!(says(&good.concat()), (true, "server.pem: OK\n".to_owned()), "{kind}");
        let (ok, said) = says(&[&verify[..], &["-purpose", "sslclient", "server.pem"]].concat());
        assert!(!ok && said.contains("certificate purpose"), "{said}");
        assert!(says(&[&verify[..], &["-purpose", "sslclient", "client.pem"]].concat()).0);
        let (ok, said) =
            says(&[&verify[..], &["-crl_check_all", "-CRLfile", "crl.pem", "client.pem"]].concat());
        assert!(!ok && said.contains("certificate revoked"), "{said}");
        let (_, text) = says(&["x509", "-in", "server.pem", "-noout", "-text"]);
        for part in
            [&format!("DNS:{NAME}"), "TLS Web Server Authentication", "Digital Signature", "CN = between"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Client Authentication") && !text.contains("CA:TRUE"), "{text}");
        let (_, text) = says(&["x509", "-in", "between.pem", "-noout", "-text"]);
        assert!(text.contains("CA:TRUE, pathlen:0") && text.contains("Certificate Sign, CRL Sign"), "{text}");
        let (_, serial) = says(&["x509", "-in", "client.pem", "-noout", "-serial"]);
        let serial = serial.trim().strip_prefix("serial=").unwrap().parse();
        assert_eq!(serial, Ok(gone.info.serial.clone()));
        let (_, print) = says(&["x509", "-in", "client.pem", "-noout", "-fingerprint", "-sha256"]);
        let print = print.trim().split('=').nth(1).unwrap().replace(':', "").to_lowercase();
        assert_eq!(print, gone.info.fingerprint);
        let (ok, said) = says(&["pkey", "-in", "client.key", "-noout"]);
        assert!(ok, "{kind}: {said}");
        let (_, number) = says(&["crl", "-in", "crl.pem", "-noout", "-crlnumber"]);
        assert!(number.trim().ends_with("07"), "{number}");
    }
}

#[test]
fn an_authority_of_openssl_issues_and_revokes_here_too() {
    if !openssl::is_there() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let says = |args: &[&str]| openssl_says(dir.path(), args);
    let new =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "10"];
    let files = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Somebody/CN=theirs"];
    let (ok, said) = says(&[&new[..], &files[..]].concat());
    assert!(ok, "{said}");
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let authority = Authority::from_pem(&read("ca.key"), &read("ca.pem")).unwrap();
    let leaf = authority.issue(&client(), &LeafOptions::days(3)).unwrap();
    std::fs::write(dir.path().join("client.pem"), &leaf.certificate).unwrap();
    std::fs::write(dir.path().join("crl.pem"), list(&authority, &[], 1)).unwrap();
    let verify = ["verify", "-CAfile", "ca.pem", "-crl_check", "-CRLfile", "crl.pem", "client.pem"];
    assert_eq!(says(&verify), (true, "client.pem: OK\n".to_owned()));
    std::fs::write(dir.path().join("crl.pem"), list(&authority, &[&leaf], 1)).unwrap();
    assert!(says(&verify).1.contains("certificate revoked"));
}

#[test]
fn what_was_made_says_what_was_asked_for() {
    let authority = root(0);
    assert_eq!(authority.info().kind, CertificateKind::Authority);
    assert_eq!(authority.info().subject, "CN=root of tests");
    let before = SystemTime::now();
    let issued = authority.issue(&client(), &LeafOptions::days(3)).unwrap();
    let info = CertificateInfo::from_pem(issued.certificate.as_bytes()).unwrap();
    assert_eq!(info, issued.info);
    assert_eq!((info.kind, info.names), (CertificateKind::Client, vec!["client.test".to_owned()]));
    assert!(info.validity.not_before <= before - Validity::BACKDATED && info.validity.includes(before));
    let made = list(&authority, &[&issued], 1);
    let [crl] = CrlInfo::all_from_pem(made.as_bytes()).unwrap().try_into().unwrap();
    assert_eq!((crl.number, crl.issuer.as_str()), (7, "CN=root of tests"));
    assert_eq!(crl.revoked[0].serial, info.serial);
    assert!(!crl.is_stale(SystemTime::now()) && crl.is_stale(SystemTime::now() + DAY * 2));
    for damaged in ["", "x", "-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n"] {
        assert!(CrlInfo::all_from_pem(damaged.as_bytes()).is_err());
        assert!(CertificateInfo::from_pem(damaged.as_bytes()).is_err());
    }
}
