//! Unusual configs: sealing, a check of the directory, a start and a reload give the same answer with the same reason.

use std::time::{Duration, SystemTime};

use app_config::{ConfigDir, check_all};
use app_rpc::Refusal;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, NameConstraints, SerialNumber,
    date_time_ymd,
};
use rustls::ALL_VERSIONS;

use crate::odd::{Odd, OpenSsl, assert_all, good, is_good_client_let_in, odd};
use crate::pki::{AUTHORITY, Authority, Issued, Leaf};
use crate::raw::{is_let_in, tls};
use crate::stand::{NAME, Stand, eventually};

fn critical() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

fn usages(leaf: Leaf, usages: &[ExtendedKeyUsagePurpose]) -> Leaf {
    let mut leaf = leaf;
    leaf.params.extended_key_usages = usages.to_vec();
    leaf
}

/// A server certificate under an authority with an unusual certificate.
fn below(change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let between = AUTHORITY.odd_intermediate("between", change);
    between.issue_with(good(), &[&between])
}

fn many_names(prefix: &str) -> Vec<rcgen::SanType> {
    let names = (0..900).map(|number| format!("{prefix}-{number}-{}.test", "x".repeat(40)));
    names.map(|name| rcgen::SanType::DnsName(name.as_str().try_into().unwrap())).collect()
}

/// Many names, including the necessary ones.
fn large() -> Issued {
    let between = AUTHORITY.odd_intermediate("between", |params| params.subject_alt_names = many_names("a"));
    let mut leaf = good();
    leaf.params.subject_alt_names.extend(many_names("b"));
    between.issue_with(leaf, &[&between])
}

#[tokio::test]
async fn an_own_certificate_that_peers_refuse_is_refused_everywhere_with_one_line() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth};
    let lacks = "serverCert.cert: may not be used by servers: its extended key usage lacks serverAuth";
    let another = Authority::new("another");
    let twin = AUTHORITY.intermediate("between");
    let mut unknown = good();
    unknown.params.custom_extensions.push(critical());
    let (low, lower) = {
        let low = AUTHORITY
            .odd_intermediate("low", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
        let lower = low.intermediate("lower");
        (low, lower)
    };
    let excluded = |params: &mut CertificateParams| {
        let excluded_subtrees = vec![GeneralSubtree::DnsName(NAME.to_string())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees });
    };
    assert_all(vec![
        odd("any extended key usage").server(AUTHORITY.issue(usages(good(), &[Any]))).refused(&[lacks]),
        odd("a client's certificate")
            .server(AUTHORITY.issue(usages(good(), &[ClientAuth])))
            .refused(&[lacks]),
        odd("an unknown critical extension").server(AUTHORITY.issue(unknown)).refused(&[
            "serverCert.cert: is refused by peers: a certificate of its chain has a critical extension",
        ]),
        odd("no authority in between").server(below(|params| params.is_ca = IsCa::ExplicitNoCa)).refused(&[
            "is refused by peers: a certificate of its chain is not that of an authority (basic constraints)",
        ]),
        odd("a path length of 0")
            .server(lower.issue_with(good(), &[&lower, &low]))
            .refused(&["an authority of its chain allows fewer authorities below it (path length)"]),
        odd("an authority for clients alone in between")
            .server(below(|params| params.extended_key_usages = vec![ClientAuth]))
            .refused(&["a certificate of its chain is for another use (extended key usage)"]),
        odd("a name that is excluded")
            .server(below(excluded))
            .refused(&["an authority of its chain does not allow its names (name constraints)"]),
        odd("an authority in between of the same name and another key")
            .server(AUTHORITY.intermediate("between").issue_with(good(), &[&twin]))
            .refused(&["it is not signed with the key of the authority that it names"]),
        odd("an expired authority in between")
            .server(below(|params| params.not_after = date_time_ymd(2020, 1, 1)))
            .refused(&["serverCert.cert: block 2 (line"]),
        odd("certificates that are too large")
            .server(large())
            .refused(&["serverCert.cert: a handshake in memory fails with this config: the messages"]),
        odd("no extended key usage").server(AUTHORITY.issue(usages(good(), &[]))),
        odd("of an authority that is not in caCert").server(another.issue(good())),
        odd("of another authority of the same name")
            .server(Authority::new("test authority").issue(good()))
            .warned(&[
                "serverCert.cert: clients that trust the authorities in caCert refuse it: it is not signed",
            ]),
        odd("revoked by the own list")
            .server(AUTHORITY.issue(good().serial(0x77)))
            .crl(&[AUTHORITY.crl(&[0x77], 2100)])
            .warned(&["serverCert.cert: is revoked by the lists in crl"]),
    ])
    .await;
}

#[tokio::test]
async fn authorities_that_can_let_nobody_in_are_refused_and_those_that_others_refuse_warned_of() {
    let long = |number: usize| {
        let mut name = String::new();
        Authority::odd("long", |params| {
            for kind in [DnType::OrganizationName, DnType::OrganizationalUnitName, DnType::LocalityName] {
                name = format!("{number:064}");
                params.distinguished_name.push(kind, name.as_str());
            }
        })
    };
    let many: String = (0..300).map(|number| long(number).pem()).collect();
    let excluding = Authority::odd("constrained", |params| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("inside.test".to_owned())];
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    });
    let expired = Authority::odd("expired", |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = Authority::odd("early", |params| params.not_before = date_time_ymd(2200, 1, 1));
    assert_all(vec![
        odd("a client as an authority").ca_pem(AUTHORITY.issue(Leaf::client("client.test")).cert).refused(&[
            "caCert: block 1 (line 1) is not the certificate of an authority: it lacks the basic constraint",
        ]),
        odd("authorities without end").ca_pem(many).refused(&["caCert: has authorities whose names take"]),
        odd("an authority that expired")
            .ca(&[&AUTHORITY, &expired])
            .warned(&["(CN=expired) expired at 2020-01-01T00:00:00Z"]),
        odd("an authority that has not begun")
            .ca(&[&AUTHORITY, &early])
            .warned(&["(CN=early) is not valid before 2200"]),
        odd("a wildcard, and no name").grants(&["*.test", "CN=ops", "ops.test"]).warned(&[
            "grants[0].name: \"*.test\" is of no client: wildcards",
            "grants[1].name: \"CN=ops\" is of no client: it is no DNS",
        ]),
        odd("a grant that name constraints exclude")
            .ca(&[&excluding])
            .grants(&["ops.inside.test", "ops.outside.test"])
            .warned(&["grants[1].name: \"ops.outside.test\" is of no client: the name constraints"]),
    ])
    .await;
}

#[tokio::test]
async fn lists_are_judged_by_signature_issuer_dates_and_doubles() {
    let another = Authority::new("another");
    let twin = Authority::new("test authority");
    let between = AUTHORITY.intermediate_of("between", 0x88);
    let soon = SystemTime::now() + Duration::from_secs(3600);
    let later = SystemTime::now() + Duration::from_secs(7200);
    let own = Authority::odd("own", |params| params.serial_number = Some(SerialNumber::from(0x99)));
    let of = |year: i32| {
        AUTHORITY.odd_crl(&[year.unsigned_abs().into()], |list| list.this_update = date_time_ymd(year, 1, 1))
    };
    let scoped = |list: &mut rcgen::CertificateRevocationListParams| {
        list.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec!["http://a.test/crl".to_owned()] },
            scope: Some(CrlScope::CaCertsOnly),
        });
    };
    let none = "crl: has no list that speaks of what CN=test authority issues, and would refuse everybody";
    let foreign = "is a list of CN=another, which is not in caCert";
    assert_all(vec![
        odd("a stale list").crl(&[AUTHORITY.crl(&[], 2021)]).refused(&["crl: block 1 (line 1) is stale since 2021-12-31"]),
        odd("a forged list")
            .crl(&[twin.crl(&[], 2100)])
            .refused(&["crl: block 1 (line 1) names CN=test authority, and is not signed with its key, and would refuse"]),
        odd("a list of another authority alone").crl(&[another.crl(&[], 2100)]).refused(&[none]),
        odd("a list of authorities alone").crl(&[AUTHORITY.odd_crl(&[], scoped)]).refused(&[none]),
        odd("a list for one of two")
            .ca(&[&AUTHORITY, &another])
            .crl(&[AUTHORITY.crl(&[], 2100)])
            .warned(&["crl: has no list that speaks of what CN=another issues, and refuses the clients of CN=another"]),
        odd("a stale list beside a good one")
            .ca(&[&AUTHORITY, &another])
            .crl(&[AUTHORITY.crl(&[], 2100), another.crl(&[], 2021)])
            .warned(&["is stale since 2021-12-31T00:00:00Z, and refuses the clients of CN=another"]),
        odd("a list too many").crl(&[AUTHORITY.crl(&[], 2100), another.crl(&[], 2100)]).warned(&[foreign]),
        odd("an old list before the new one").crl(&[of(2021), of(2022)]).warned(&["crl: block 1 (line 1) does not count: block 2"]),
        odd("an old list behind the new one").crl(&[of(2022), of(2021)]).warned(&["does not count: block 1 (line 1)"]),
        odd("a forged list before the real one").crl(&[twin.crl(&[], 2100), of(2022)]).warned(&[
            "crl: block 1 (line 1) does not count: CN=test authority, which it names, signed block 2",
        ]),
        odd("a list from the future")
            .crl(&[AUTHORITY.odd_crl(&[], |list| list.this_update = soon.into())])
            .warned(&["crl: block 1 (line 1) is from the future"]),
        odd("a list that ends soon")
            .crl(&[AUTHORITY.odd_crl(&[], |list| list.next_update = later.into())])
            .warned(&["are refused from then on; put a new list in place before (appctl pki crl)"]),
        odd("a list that revokes its own authority")
            .ca(&[&own])
            .crl(&[own.crl(&[0x99], 2100)])
            .warned(&["revokes its own authority CN=own, which has no effect"]),
        odd("an authority in between without a list")
            .server(between.issue_with(good(), &[&between]))
            .crl(&[AUTHORITY.crl(&[], 2100)])
            .warned(&["crl: has no list that speaks of what CN=between issues, and refuses the clients of CN=between"]),
        odd("a revoked authority in between")
            .server(between.issue_with(good(), &[&between]))
            .crl(&[AUTHORITY.crl(&[0x88], 2100), between.crl(&[], 2100)])
            .warned(&["serverCert.cert: is revoked by the lists", "crl: revokes the authority CN=between, and refuses"]),
        odd("lists of both").server(between.issue_with(good(), &[&between])).crl(&[AUTHORITY.crl(&[], 2100), between.crl(&[], 2100)]),
    ])
    .await;
}

#[tokio::test]
async fn authorities_and_lists_of_openssl_that_are_not_supported_are_refused_by_their_kind() {
    let Some(tool) = OpenSsl::new() else { return };
    let mut all = Vec::new();
    let kind =
        "a signature or key in its chain is of a kind that is not supported, and would refuse everybody";
    for key in ["-algorithm EC -pkeyopt ec_paramgen_curve:P-521", "-algorithm ED448"] {
        all.push(odd("a key that is not supported").ca_pem(tool.authority(key)).refused(&[kind]));
    }
    let ca = tool.authority("-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
    for (extensions, refused) in [
        ("", "crl: block 1 (line 1) is a list of version 1; make a full list of version 2"),
        ("2.5.29.27 = critical,DER:020101", "is a delta list, which has only what changed"),
        ("2.5.29.28 = critical,DER:30038401ff", "is an indirect list, which speaks of certificates of other"),
        ("2.5.29.28 = critical,DER:300483020780", "is split by reasons, which is not supported"),
        (
            "2.5.29.28 = critical,DER:30038201ff",
            "has an issuing distribution point of a kind that is not supported",
        ),
        ("1.2.3.4 = critical,DER:0500", "has a critical extension that is not supported"),
    ] {
        let crl = tool.list(extensions);
        all.push(odd(refused).ca_pem(ca.clone()).crl(&[crl]).refused(&[refused]));
    }
    tool.run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key");
    tool.run("req -new -key old.key -subj /CN=old -out old.csr");
    tool.run("x509 -req -in old.csr -signkey old.key -days 9 -out old.pem");
    let not = "caCert: block 1 (line 1) is not the certificate of an authority";
    all.push(odd("an authority of version 1").ca_pem(tool.read("old.pem")).refused(&[not]));
    let listed =
        odd("an authority that may not sign lists").ca_pem(ca).crl(&[tool.list("2.5.29.20 = DER:020101")]);
    all.push(listed.warned(&["is of CN=odd, whose key usage lacks cRLSign: other software refuses it"]));
    assert_all(all).await;
}

#[tokio::test]
async fn a_reload_with_a_config_of_another_application_is_refused_like_a_start() {
    let stand = Stand::new().await;
    let mut elsewhere = NAME;
    elsewhere.app = app_ids::AppId::new(0xa1);
    let server = AUTHORITY.issue(Leaf::server(&elsewhere.to_string()));
    let one = Odd { app: 0xa1, ..odd("another application").server(server) };
    // Sealing does not know the application.
    assert_eq!(one.sealed(), Vec::<String>::new());
    let line = format!(
        "rpcServiceSpec: is of {elsewhere}, this application is {NAME}; start it with --domain-id 0xd0 --app-id 0xa1"
    );
    let (failed, start) = one.started().await;
    let (refused, reload) = one.reloaded(&stand).await;
    assert!(failed && refused && start.contains(&line) && reload.contains(&line), "{start}\n{reload}");
    let configs = stand.app.get::<app_config::Configs>();
    let notes = configs.notes();
    assert!(notes.iter().any(|note| note.contains("is refused since") && note.contains(&line)), "{notes:?}");
    assert!(is_good_client_let_in(&stand).await);
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn what_the_newest_list_revokes_is_refused_wherever_the_list_stands() {
    let stand = Stand::new().await;
    let revoked = AUTHORITY.issue(Leaf::client("lost.test").serial(0x55));
    let of = |year: i32, serials: &[u64]| {
        AUTHORITY.odd_crl(serials, |list| list.this_update = date_time_ymd(year, 1, 1))
    };
    for lists in [[of(2021, &[]), of(2022, &[0x55])], [of(2022, &[0x55]), of(2021, &[])]] {
        let (refused, _) = odd("two lists").crl(&lists).reloaded(&stand).await;
        assert!(!refused);
        let before = stand.counts().refused(Refusal::Revoked);
        assert!(!is_let_in(stand.address(), &tls(Some(&revoked), ALL_VERSIONS)).await);
        eventually("refused", || stand.counts().refused(Refusal::Revoked) > before).await;
        assert!(is_good_client_let_in(&stand).await);
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn an_extended_key_usage_counts_for_clients_as_the_documentation_says() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let stand = Stand::new().await;
    for (purposes, good) in [
        (vec![], true),
        (vec![ClientAuth], true),
        (vec![ServerAuth, ClientAuth], true),
        (vec![Any, ClientAuth], true),
        (vec![Any], false),
        (vec![ServerAuth], false),
    ] {
        let issued = AUTHORITY.issue(usages(Leaf::client("client.test"), &purposes));
        // The purposes as read from the certificate, and as they count in a handshake.
        assert_eq!(issued.pair().certificate().serves(app_rpc::Purpose::Client), good, "{purposes:?}");
        assert_eq!(is_let_in(stand.address(), &tls(Some(&issued), ALL_VERSIONS)).await, good, "{purposes:?}");
    }
    stand.app.stop().await.expect_clean();
}

#[test]
fn sealing_says_whom_a_config_lets_in() {
    let another = Authority::new("another");
    let both =
        odd("two").ca(&[&AUTHORITY, &another]).crl(&[AUTHORITY.crl(&[], 2100), another.crl(&[], 2099)]);
    let dir = tempfile::tempdir().unwrap();
    both.grants(&["ops.test"]).put(dir.path());
    let notes = check_all(&ConfigDir::new(dir.path())).notes;
    let said = |part: &str| notes.iter().any(|note| note.contains(part));
    assert!(
        said(
            "caCert: lets in clients of CN=test authority until 2100-12-31T00:00:00Z, CN=another until 2099-12-31T00:00:00Z"
        ),
        "{notes:?}"
    );
    assert!(said("grants: 1 name has a role; every other client that is let in may read"), "{notes:?}");
}
