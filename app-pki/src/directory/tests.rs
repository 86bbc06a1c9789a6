//! The contents of an authority's folder after each command.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Directory, DirectoryError, IssueOptions};
use crate::{
    AuthorityOptions, CertificateInfo, ClientName, CrlInfo, KeyKind, PkiError, Serial, Subject, Validity,
};
use app_tls::{Authorities, KeyPair, Purpose, RpcName};

fn options(name: &str) -> AuthorityOptions {
    AuthorityOptions::new(name, Validity::days(100))
}

fn pki() -> (TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let pki = Directory::init(&folder.path().join("pki"), &options("an authority"), 30).unwrap();
    (folder, pki)
}

fn client(name: &str) -> IssueOptions {
    IssueOptions::new(Subject::Client(ClientName::new(name).unwrap()))
}

fn server() -> IssueOptions {
    let (domain, app, service) = (0xd0.into(), 0xa0.into(), 0x5e.into());
    IssueOptions::new(Subject::Server(RpcName { domain, app, service }))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The files of a folder with their contents.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let content = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())
    };
    entries.map(content).collect()
}

fn lists(pki: &Directory) -> Vec<CrlInfo> {
    CrlInfo::all_from_pem(&fs::read(pki.crl()).unwrap()).unwrap()
}

#[test]
fn a_folder_has_keys_for_its_owner_alone_and_what_peers_need() {
    let (folder, pki) = pki();
    let server = pki.issue(&server()).unwrap();
    let client = pki.issue(&client("deploy.example.com")).unwrap();
    assert_eq!(mode(pki.path()), 0o700);
    for key in [&pki.path().join("ca.key"), &server.key, &client.key] {
        assert_eq!(mode(key), 0o400, "{key:?}");
    }
    for public in [&pki.root(), &pki.crl(), &server.certificate, &client.certificate] {
        assert_eq!(mode(public), 0o444, "{public:?}");
    }
    assert_eq!(server.certificate, pki.path().join("server-d0_a0_5e.pem"));
    assert_eq!(client.key, pki.path().join("client-deploy.example.com.key"));
    let read = |path: &Path| fs::read(path).unwrap();
    Authorities::from_pem(&read(&pki.root()), &read(&pki.crl())).unwrap();
    let pair = KeyPair::from_pem(&read(&server.key), &read(&server.certificate)).unwrap();
    assert_eq!(pair.check(Purpose::Server, Some("d0_a0_5e"), std::time::SystemTime::now()), Ok(()));
    // Nothing else is left in the folder above.
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["pki"]);
}

#[test]
fn nothing_is_overwritten() {
    let (folder, pki) = pki();
    pki.issue(&client("a")).unwrap();
    let before = files(pki.path());
    assert!(matches!(pki.issue(&client("A")), Err(DirectoryError::Issued(_))));
    let again = Directory::init(pki.path(), &options("another"), 30);
    assert!(matches!(again, Err(DirectoryError::Exists(_))));
    assert!(matches!(Directory::init(Path::new("/"), &options("x"), 30), Err(DirectoryError::NoName(_))));
    assert_eq!(files(pki.path()), before);
    // The path may have a key, a dangling link, or a folder.
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("client-b.key"), "mine").unwrap();
    symlink("nowhere", elsewhere.join("client-c.pem")).unwrap();
    for name in ["b", "c"] {
        let mut wanted = client(name);
        wanted.into = Some(elsewhere.clone());
        assert!(matches!(pki.issue(&wanted), Err(DirectoryError::Issued(_))), "{name}");
    }
    assert_eq!(fs::read(elsewhere.join("client-b.key")).unwrap(), b"mine");
    for there in ["file", "link"] {
        let path = folder.path().join(there);
        if there == "file" {
            fs::write(&path, "").unwrap()
        } else {
            symlink(&elsewhere, &path).unwrap()
        }
        assert!(
            matches!(Directory::init(&path, &options("x"), 30), Err(DirectoryError::Exists(_))),
            "{there}"
        );
    }
    // An empty folder counts as a missing one.
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    Directory::init(&empty, &options("x"), 30).unwrap();
    assert_eq!(mode(&empty), 0o700);
}

#[test]
fn what_can_not_be_put_in_its_place_was_not_issued() {
    let (folder, pki) = pki();
    let mut wanted = client("a");
    wanted.into = Some(folder.path().join("missing"));
    assert!(matches!(pki.issue(&wanted), Err(DirectoryError::Place(_))));
    assert_eq!(pki.contents().unwrap().issued.len(), 0);
    wanted = client("a");
    wanted.days = Some(101);
    let refused = pki.issue(&wanted).unwrap_err();
    assert!(matches!(refused, DirectoryError::Asked(PkiError::OutlivesAuthority { .. })), "{refused}");
    wanted.days = None;
    assert_eq!(
        pki.issue(&wanted).unwrap().info.validity.not_after,
        pki.contents().unwrap().authority.validity.not_after
    );
}

#[test]
fn a_revocation_is_on_the_list_and_stays_there() {
    let (_folder, pki) = pki();
    let [a, b] = ["a", "b"].map(|name| pki.issue(&client(name)).unwrap());
    assert_eq!(lists(&pki)[0].number, 1);
    let revoked = pki.revoke(&a.info.serial).unwrap();
    assert!(!revoked.already && revoked.name == "a" && revoked.crl.number == 2);
    assert!(pki.revoke_file(&a.certificate).unwrap().already);
    let [list] = lists(&pki).try_into().unwrap();
    assert_eq!(list.revoked.len(), 1);
    assert_eq!((list.revoked[0].serial.clone(), list.number), (a.info.serial.clone(), 3));
    // An older index does not undo the revocation, and the numbers of lists still grow.
    let index = pki.path().join("index.json");
    let old = fs::read(&index).unwrap();
    pki.revoke_file(&b.certificate).unwrap();
    fs::remove_file(&index).unwrap();
    fs::write(&index, old).unwrap();
    assert_eq!(pki.refresh_crl().unwrap().revoked.len(), 2);
    assert_eq!(lists(&pki)[0].number, 5);
    let unknown: Serial = "1234".parse().unwrap();
    assert!(matches!(pki.revoke(&unknown), Err(DirectoryError::UnknownSerial(_))));
}

#[test]
fn only_ones_own_certificates_are_revoked_and_renewed() {
    let (_folder, pki) = pki();
    let (_other_folder, other) = self::pki();
    let foreign = other.issue(&client("a")).unwrap().certificate;
    for refused in [pki.revoke_file(&foreign).err(), pki.renew(&foreign, None, KeyKind::P256, None).err()] {
        assert!(matches!(refused, Some(DirectoryError::Pki(_, PkiError::Foreign))), "{refused:?}");
    }
    let own = pki.issue(&client("a")).unwrap();
    let renewed = pki.renew(&own.certificate, Some(5), KeyKind::Ed25519, None).unwrap();
    assert!(renewed.certificate.ends_with("client-a-2.pem") && renewed.key.ends_with("client-a-2.key"));
    assert_eq!(renewed.info.names, own.info.names);
    assert_ne!(renewed.info.serial, own.info.serial);
    let server = pki.issue(&server()).unwrap();
    assert!(
        pki.renew(&server.certificate, None, KeyKind::P256, None)
            .unwrap()
            .certificate
            .ends_with("server-d0_a0_5e-2.pem")
    );
    pki.revoke(&own.info.serial).unwrap();
    let root = pki.renew(&pki.root(), None, KeyKind::P256, None).unwrap_err();
    assert!(matches!(root, DirectoryError::OtherKind(_)), "{root}");
    // A certificate that the index lacks is recognized by its signature.
    fs::remove_file(pki.path().join("index.json")).unwrap();
    let empty = super::index::Index::new(30, None);
    empty.write(&pki.path().join("index.json")).unwrap();
    assert!(!pki.revoke_file(&renewed.certificate).unwrap().already);
    assert_eq!(lists(&pki)[0].revoked.len(), 2);
}

#[test]
fn lists_cover_every_authority_of_a_chain() {
    let (folder, _) = pki();
    let top = Directory::init(&folder.path().join("top"), &options("top").path_length(1), 30).unwrap();
    let below = Directory::init_under(&folder.path().join("below"), &options("below"), 30, &top).unwrap();
    assert_eq!(fs::read(below.root()).unwrap(), fs::read(top.root()).unwrap());
    let issuers = |pki: &Directory| lists(pki).into_iter().map(|list| list.issuer).collect::<Vec<_>>();
    assert_eq!(issuers(&below), ["CN=below", "CN=top"]);
    let placed = below.issue(&client("a")).unwrap();
    let chain = fs::read(&placed.certificate).unwrap();
    assert_eq!(super::super::info::certificates(&chain).unwrap().len(), 2);
    // The authority above makes a new list, and the one below includes it.
    top.refresh_crl().unwrap();
    below.refresh_crl().unwrap();
    assert_eq!(lists(&below).iter().map(|list| list.number).collect::<Vec<_>>(), [2, 2]);
    let of_below = CertificateInfo::from_pem(&fs::read(below.path().join("authority.pem")).unwrap()).unwrap();
    top.revoke(&of_below.serial).unwrap();
    below.refresh_crl().unwrap();
    assert_eq!(lists(&below)[1].revoked[0].serial, of_below.serial);
    // The folder of the authority above is not available, so its known list stays.
    fs::rename(top.path(), folder.path().join("safe")).unwrap();
    below.refresh_crl().unwrap();
    assert_eq!(issuers(&below), ["CN=below", "CN=top"]);
    let deeper = Directory::init_under(&folder.path().join("deeper"), &options("deeper"), 30, &below);
    assert!(matches!(deeper, Err(DirectoryError::Asked(PkiError::PathLength))));
    assert!(!folder.path().join("deeper").exists());
}

#[test]
fn what_others_could_read_or_change_is_not_used() {
    let (_folder, pki) = pki();
    let key = pki.path().join("ca.key");
    let refused = |may: &str| {
        let refused = pki.issue(&client("a")).unwrap_err();
        assert!(matches!(refused, DirectoryError::Unsafe { .. }), "{refused}");
        assert!(refused.to_string().contains(may) && refused.to_string().contains("chmod"), "{refused}");
    };
    for mode in [0o440, 0o404, 0o644, 0o420] {
        chmod(&key, mode);
        refused("is a private key that others than its owner may use");
    }
    chmod(&key, 0o400);
    chmod(&pki.path().join("index.json"), 0o620);
    refused("may be changed by others");
    chmod(&pki.path().join("index.json"), 0o600);
    chmod(pki.path(), 0o770);
    assert!(matches!(Directory::open(pki.path()), Err(DirectoryError::Unsafe { .. })));
    chmod(pki.path(), 0o700);
    // The signature shows who issued a certificate, so anybody may write its file.
    let placed = pki.issue(&client("a")).unwrap();
    chmod(&placed.certificate, 0o666);
    pki.renew(&placed.certificate, None, KeyKind::P256, None).unwrap();
    assert!(!pki.revoke_file(&placed.certificate).unwrap().already);
}

#[test]
fn damaged_files_are_named_and_nothing_is_done() {
    let (_folder, pki) = pki();
    pki.issue(&client("a")).unwrap();
    let index = pki.path().join("index.json");
    let whole = fs::read(&index).unwrap();
    let before = fs::read(pki.crl()).unwrap();
    let put = |content: &[u8]| {
        fs::remove_file(&index).unwrap();
        fs::write(&index, content).unwrap();
    };
    for length in (0..whole.len() - 1).step_by(7) {
        put(&whole[..length]);
        let refused = pki.refresh_crl().unwrap_err().to_string();
        assert!(refused.contains("index.json is damaged") && !refused.contains('\n'), "{refused}");
    }
    for wrong in [&b"{}"[..], b"[]", b"\xff", b"{\"version\":2,\"crlNumber\":1,\"crlDays\":1,\"issued\":[]}"]
    {
        put(wrong);
        assert!(matches!(pki.contents(), Err(DirectoryError::Index { .. })));
    }
    put(&whole);
    assert_eq!(fs::read(pki.crl()).unwrap(), before);
    // A certificate of another authority, and a text that is not a certificate.
    let (_other_folder, other) = self::pki();
    let key = pki.path().join("ca.key");
    let own = fs::read(&key).unwrap();
    let is_pem = |error: &PkiError| matches!(error, PkiError::Pem(_));
    let is_of_another = |error: &PkiError| *error == PkiError::KeyOfAnother;
    let other = fs::read(other.path().join("ca.key")).unwrap();
    for (content, expected) in
        [(other, &is_of_another as &dyn Fn(&PkiError) -> bool), (b"nonsense".to_vec(), &is_pem)]
    {
        fs::remove_file(&key).unwrap();
        fs::write(&key, content).unwrap();
        chmod(&key, 0o400);
        assert!(matches!(pki.refresh_crl(), Err(DirectoryError::Pki(_, found)) if expected(&found)));
    }
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    assert!(matches!(pki.refresh_crl(), Err(DirectoryError::NotRegular(_))));
    fs::remove_dir(&key).unwrap();
    fs::write(&key, own).unwrap();
    chmod(&key, 0o400);
    pki.refresh_crl().unwrap();
    assert!(matches!(Directory::open(&index), Err(DirectoryError::NoDirectory(_))));
    assert!(matches!(Directory::open(Path::new("/nowhere")), Err(DirectoryError::NoDirectory(_))));
}

#[test]
fn a_revocation_that_was_interrupted_shows() {
    let (_folder, pki) = pki();
    let placed = pki.issue(&client("a")).unwrap();
    let list = fs::read(pki.crl()).unwrap();
    pki.revoke(&placed.info.serial).unwrap();
    assert!(!pki.contents().unwrap().crl_is_behind);
    super::files::replace(&pki.crl(), &list, 0o444).unwrap();
    assert!(pki.contents().unwrap().crl_is_behind);
    assert_eq!(pki.refresh_crl().unwrap().revoked.len(), 1);
    assert!(!pki.contents().unwrap().crl_is_behind);
}

#[test]
fn many_at_once_do_not_lose_one_another() {
    let (_folder, pki) = pki();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let pki = &pki;
            scope.spawn(move || {
                for run in 0..5 {
                    let placed = pki.issue(&client(&format!("c{thread}-{run}"))).unwrap();
                    pki.revoke(&placed.info.serial).unwrap();
                }
            });
        }
    });
    let contents = pki.contents().unwrap();
    assert_eq!(contents.issued.len(), 20);
    assert!(contents.issued.iter().all(|listed| listed.revoked.is_some()));
    assert_eq!((lists(&pki)[0].revoked.len(), lists(&pki)[0].number), (20, 21));
}

#[derive(Debug, Clone)]
enum Step {
    Issue,
    Renew(prop::sample::Index),
    Revoke(prop::sample::Index),
    Refresh,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Issue),
        1 => any::<prop::sample::Index>().prop_map(Step::Renew),
        2 => any::<prop::sample::Index>().prop_map(Step::Revoke),
        1 => Just(Step::Refresh),
    ];
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// After any commands, the index has all issued certificates, and the list has exactly the revoked ones.
    #[test]
    fn the_index_and_the_list_say_what_was_done(steps in steps()) {
        let (_folder, pki) = pki();
        let mut model: Vec<(super::IssuedFiles, bool)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Issue => model.push((pki.issue(&client(&format!("n{number}"))).unwrap(), false)),
                Step::Renew(which) if !model.is_empty() => {
                    let (placed, _) = which.get(&model);
                    let renewed = pki.renew(&placed.certificate, None, KeyKind::P256, None).unwrap();
                    model.push((renewed, false));
                }
                Step::Revoke(which) if !model.is_empty() => {
                    let which = which.index(model.len());
                    let revoked = pki.revoke(&model[which].0.info.serial).unwrap();
                    prop_assert_eq!(revoked.already, model[which].1);
                    model[which].1 = true;
                }
                _ => drop(pki.refresh_crl().unwrap()),
            }
        }
        let contents = Directory::open(pki.path()).unwrap().contents().unwrap();
        let found: Vec<_> = contents.issued.iter().map(|one| (one.serial.clone(), one.revoked.is_some())).collect();
        let expected: Vec<_> = model.iter().map(|(placed, revoked)| (placed.info.serial.clone(), *revoked)).collect();
        prop_assert_eq!(found, expected);
        let mut listed: Vec<_> = lists(&pki)[0].revoked.iter().map(|revoked| revoked.serial.clone()).collect();
        let mut revoked: Vec<_> = model.iter().filter(|one| one.1).map(|one| one.0.info.serial.clone()).collect();
        listed.sort();
        revoked.sort();
        prop_assert_eq!(listed, revoked);
    }

    /// A name is accepted or refused. An accepted name is in the certificate in lower case.
    #[test]
    fn any_text_is_a_name_or_is_refused(name in "[a-zA-Z0-9._*\\-é /]{0,70}") {
        if let Ok(good) = ClientName::new(&name) {
            let (_folder, pki) = pki();
            let placed = pki.issue(&IssueOptions::new(Subject::Client(good))).unwrap();
            prop_assert_eq!(placed.info.names, vec![name.to_ascii_lowercase()]);
            prop_assert_eq!(placed.certificate.parent(), Some(pki.path()));
        }
    }
}

#[test]
fn after_a_revocation_both_issue_and_renew_make_a_new_certificate() {
    let (_folder, pki) = self::pki();
    let first = pki.issue(&client("a")).unwrap();
    let refused = pki.issue(&client("a")).unwrap_err();
    assert!(matches!(refused, DirectoryError::Issued(_)), "{refused}");
    pki.revoke(&first.info.serial).unwrap();
    let second = pki.issue(&client("a")).unwrap();
    assert!(second.certificate.ends_with("client-a-2.pem") && second.key.ends_with("client-a-2.key"));
    // The second certificate is valid, so a new one needs `renew`, or a revocation of the second too.
    let refused = pki.issue(&client("a")).unwrap_err();
    assert!(
        matches!(&refused, DirectoryError::Issued(path) if path.ends_with("client-a-2.pem")),
        "{refused}"
    );
    let third = pki.renew(&first.certificate, None, KeyKind::P256, None).unwrap();
    assert!(third.certificate.ends_with("client-a-3.pem"));
    let serials = [first, second, third].map(|placed| placed.info.serial);
    assert!(serials[0] != serials[1] && serials[1] != serials[2]);
    // A path that another file has is never used.
    fs::write(pki.path().join("client-b.key"), "").unwrap();
    assert!(matches!(pki.issue(&client("b")), Err(DirectoryError::Issued(_))));
}
