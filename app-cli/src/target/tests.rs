//! Contexts combined with flags, and the errors about files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use app_core::clap::Command;
use app_pki::{Authority, AuthorityOptions, ClientName, Issued, LeafOptions, Subject, Validity};

use super::*;
use crate::failure::Status;

/// A folder with valid files: `ca.pem`, `me.pem`, `me.key`, `contexts.json`.
struct Folder {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl Folder {
    fn new() -> Self {
        let authority = Authority::root(&AuthorityOptions::new("authority", Validity::days(30))).unwrap();
        let folder = Self { dir: tempfile::tempdir().unwrap(), authority };
        folder.put("ca.pem", folder.authority.root_pem().unwrap().as_bytes(), 0o644);
        folder.issue(Validity::days(10));
        let context = r#"{ "contexts": { "one": { "address": "192.0.2.1:1", "domain": "0xd0", "app": "0xa0", "ca": "ca.pem",
            "crl": "crl.pem", "cert": "me.pem", "key": "me.key" } } }"#;
        folder.put("contexts.json", context.as_bytes(), 0o600);
        folder
    }

    fn issued(&self, validity: Validity) -> Issued {
        let subject = Subject::Client(ClientName::new("me.example").unwrap());
        self.authority.issue(&subject, &LeafOptions::new(validity)).unwrap()
    }

    fn issue(&self, validity: Validity) {
        let issued = self.issued(validity);
        self.put("me.pem", issued.certificate.as_bytes(), 0o644);
        self.put("me.key", &issued.key, 0o400);
    }

    fn put(&self, name: &str, content: &[u8], mode: u32) {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn context(&self) -> Context {
        Context {
            address: Addresses(vec!["192.0.2.1:1".parse().unwrap()]),
            domain: DomainId::new(0xd0),
            app: AppId::new(0xa0),
            service: None,
            ca: self.path("ca.pem"),
            crl: None,
            cert: self.path("me.pem"),
            key: self.path("me.key"),
        }
    }

    fn refusal(&self) -> String {
        let failure = Target::load(&self.context()).unwrap_err();
        assert_eq!(failure.status, Status::Unusable);
        // The message may name the missing marker, and shows no content of the file.
        let shown = failure.message.replace("it has no line -----BEGIN", "");
        assert!(!shown.contains('\n') && !shown.contains("BEGIN"), "{failure:?}");
        failure.message
    }
}

fn given(args: &[&str]) -> Result<Context, Failure> {
    let command = Command::new("test").no_binary_name(true).args(connection_args());
    context_of(&command.get_matches_from(args))
}

#[test]
fn flags_stand_in_place_of_a_context_or_of_parts_of_it() {
    let folder = Folder::new();
    let file = folder.path("contexts.json").display().to_string();
    let one = given(&["--context", &file]).unwrap();
    assert_eq!((one.domain, one.key.as_path()), (DomainId::new(0xd0), folder.path("me.key").as_path()));
    let other =
        given(&["--context", &file, "--address", "[::1]:2,b:3", "--app-id", "17", "--ca", "x"]).unwrap();
    assert_eq!((other.address.to_string().as_str(), other.app), ("[::1]:2, b:3", AppId::new(17)));
    // A revocation list belongs to the authorities, so other authorities drop it.
    assert_eq!((other.domain, other.ca.as_path(), other.crl), (one.domain, Path::new("x"), None));
    let all =
        ["--address", "h:1", "--domain-id", "0x1", "--app-id", "2", "--ca", "a", "--cert", "b", "--key", "c"];
    let alone = given(&all).unwrap();
    assert_eq!((alone.domain, alone.ca.as_path()), (DomainId::new(1), Path::new("a")));
}

#[test]
fn good_files_make_a_target() {
    let folder = Folder::new();
    let target = Target::load(&folder.context()).unwrap();
    assert_eq!(target.name.to_string(), "d0_a0_e49214fa20b35ba8");
    assert_eq!(target.key_pair.certificate().names, ["me.example"]);
}

#[test]
fn a_key_that_others_may_read_is_refused_with_the_cure() {
    let folder = Folder::new();
    for mode in [0o404, 0o644, 0o444, 0o460] {
        fs::set_permissions(folder.path("me.key"), Permissions::from_mode(mode)).unwrap();
        let said = folder.refusal();
        assert!(
            said.contains(&format!("can be read by other users (mode {mode:04o}); run chmod 400 ")),
            "{said}"
        );
    }
    // The group may read a file of root or of this user, because Kubernetes and systemd provide secrets that way.
    for mode in [0o400, 0o600, 0o440, 0o640] {
        fs::set_permissions(folder.path("me.key"), Permissions::from_mode(mode)).unwrap();
        assert!(Target::load(&folder.context()).is_ok());
    }
}

#[test]
fn each_file_that_can_not_be_used_is_named_with_the_reason() {
    let folder = Folder::new();
    let of_another = folder.issued(Validity::days(10));
    let cases: [(&str, &[u8], u32, &str); 8] = [
        ("ca.pem", b"nothing", 0o644, "ca.pem: must be certificates in PEM"),
        ("ca.pem", b"", 0o644, "ca.pem is empty"),
        ("me.pem", b"nothing", 0o644, "certificate "),
        ("me.key", b"nothing", 0o400, "me.key: must be a private key in PEM"),
        ("me.key", b"", 0o400, "me.key is empty"),
        ("me.key", &of_another.key, 0o400, "me.key does not belong to certificate "),
        ("me.pem", &[b'x'; 1024 * 1024 + 1], 0o644, "has more than 1048576 bytes"),
        ("ca.pem", &[0xff; 100], 0o644, "authorities "),
    ];
    for (name, content, mode, said) in cases {
        let before = fs::read(folder.path(name)).unwrap();
        folder.put(name, content, mode);
        let refused = folder.refusal();
        assert!(refused.contains(said), "{name}: {refused}");
        folder.put(name, &before, mode);
    }
    assert!(Target::load(&folder.context()).is_ok());
    for (name, what) in [("me.key", "key "), ("me.pem", "certificate "), ("ca.pem", "authorities ")] {
        let missing = Folder::new();
        fs::remove_file(missing.path(name)).unwrap();
        let refused = missing.refusal();
        assert!(refused.starts_with(what) && refused.contains("cannot be read: No such file"), "{refused}");
    }
}

#[test]
fn a_certificate_that_can_not_be_shown_now_is_refused_before_anybody_sees_it() {
    let folder = Folder::new();
    let now = SystemTime::now();
    let of = |from: SystemTime, until| Validity { not_before: from, not_after: until };
    let day = Duration::from_secs(86_400);
    folder.issue(of(now - day * 2, now - day));
    assert!(folder.refusal().contains("expired at 20"), "{}", folder.refusal());
    folder.issue(of(now + day, now + day * 2));
    assert!(folder.refusal().contains("check the clock of this machine"), "{}", folder.refusal());
    let name = RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ADMIN };
    let server = folder.authority.issue(&Subject::Server(name), &LeafOptions::days(1)).unwrap();
    folder.put("me.pem", server.certificate.as_bytes(), 0o644);
    folder.put("me.key", &server.key, 0o400);
    assert!(folder.refusal().contains("is for servers; use one for clients"), "{}", folder.refusal());
}
