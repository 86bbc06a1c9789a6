//! How a directory treats sealed and plain files, by its flags.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use app_config::ConfigDir;
use app_config::codec::marshal;
use app_config::sealing::{Sealing, SealingFlags};
use app_core::Flags;
use app_core::prelude::ServiceId;
use app_core::testing::TestApp;
use app_sealing::{ConfigIdentity, IdentityFlags, Recipient, seal};
use capnp::message::Builder;
use quota_schema::quota_capnp::quota_spec;
use tempfile::TempDir;

const SERVICE: ServiceId = ServiceId::new(0x1f);

fn put(dir: &Path, name: &str, content: &[u8]) {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
}

fn plain() -> Vec<u8> {
    let mut message = Builder::new_default();
    message.init_root::<quota_spec::Builder<'_>>().init_rules(1).get(0).set_name("default");
    let mut file = Vec::new();
    marshal(&message, &mut file).unwrap();
    file
}

fn sealed_to(recipients: &[Recipient]) -> Vec<u8> {
    seal(&plain(), recipients).unwrap()
}

fn dir_with(content: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "0x1f", content);
    dir
}

fn flags(dir: &TempDir) -> Flags {
    Flags::with_config_dir(dir.path())
}

/// Flags with this config directory that name a file of identities in it.
fn naming(dir: &TempDir, file: &str) -> Flags {
    let (mut flags, mut identities) = (flags(dir), IdentityFlags::default());
    identities.config_identity = Some(dir.path().join(file));
    flags.set_group(identities);
    flags
}

/// Flags with this config directory that refuse plain files.
fn required(dir: &TempDir) -> Flags {
    let (mut flags, mut sealing) = (flags(dir), SealingFlags::default());
    sealing.require_sealed = true;
    flags.set_group(sealing);
    flags
}

/// The result of reading the file of the service: `read`, or the error without the directory.
fn read(flags: &Flags) -> String {
    let dir = format!("{}/", flags.config_dir.display());
    let sealing = match Sealing::of_flags(flags) {
        Ok(sealing) => sealing,
        Err(error) => return error.to_string().replace(&dir, ""),
    };
    match ConfigDir::new(&flags.config_dir).with_sealing(sealing).read(SERVICE) {
        Ok(message) => message.map_or("absent", |_| "read").to_owned(),
        Err(error) => error.to_string().replace(&dir, ""),
    }
}

#[test]
fn a_sealed_file_is_opened_with_the_identity_of_the_directory() {
    let identity = ConfigIdentity::generate();
    let dir = dir_with(&sealed_to(&[identity.recipient()]));
    put(dir.path(), "config.identity", &identity.secret_text());
    assert_eq!(read(&flags(&dir)), "read");
    assert_eq!(ConfigDir::new(dir.path()).service_ids().unwrap(), [SERVICE]);
}

#[test]
fn the_file_of_identities_that_is_named_is_the_one() {
    let (right, wrong) = (ConfigIdentity::generate(), ConfigIdentity::generate());
    let dir = dir_with(&sealed_to(&[right.recipient()]));
    put(dir.path(), "config.identity", &wrong.secret_text());
    put(dir.path(), "other", &right.secret_text());
    assert_eq!(read(&naming(&dir, "other")), "read");
    let expected = "config 0x1f: the file is sealed to others: the one identity in config.identity does not open it (file 0x1f)";
    assert_eq!(read(&flags(&dir)), expected);
    assert_eq!(read(&naming(&dir, "gone")), "config identity: there is no such file (file gone)");
}

#[test]
fn while_a_key_is_changed_the_old_one_and_the_new_one_go() {
    let (old, new) = (ConfigIdentity::generate(), ConfigIdentity::generate());
    let both = [&*old.secret_text(), b"\n", &*new.secret_text()].concat();
    for recipients in [&[old.recipient()][..], &[new.recipient()], &[old.recipient(), new.recipient()]] {
        let dir = dir_with(&sealed_to(recipients));
        put(dir.path(), "config.identity", &both);
        assert_eq!(read(&flags(&dir)), "read");
    }
    for identity in [&old, &new] {
        let dir = dir_with(&sealed_to(&[old.recipient(), new.recipient()]));
        put(dir.path(), "config.identity", &identity.secret_text());
        assert_eq!(read(&flags(&dir)), "read");
    }
}

#[test]
fn a_sealed_file_without_an_identity_is_refused_and_the_cure_named() {
    let dir = dir_with(&sealed_to(&[ConfigIdentity::generate().recipient()]));
    let expected = "config 0x1f: the file is sealed, and there is no identity to open it: put one into a file \
                    config.identity in the config directory, or name its file with --config-identity (file 0x1f)";
    assert_eq!(read(&flags(&dir)), expected);
    // If no identity could help, the error says so.
    let dir = dir_with(b"age-encryption.org/v1\n-> X25");
    assert_eq!(read(&flags(&dir)), "config 0x1f: the sealed file is cut short (file 0x1f)");
}

#[test]
fn plain_files_are_refused_where_sealing_is_required() {
    let identity = ConfigIdentity::generate();
    let expected = "config 0x1f: the file is not sealed, and --require-sealed refuses plain ones: seal it (config seal, or age --recipient age1..) (file 0x1f)";
    assert_eq!(read(&required(&dir_with(&plain()))), expected);
    assert_eq!(read(&required(&dir_with(b""))), "config 0x1f: the file is empty (file 0x1f)");
    assert_eq!(read(&required(&tempfile::tempdir().unwrap())), "absent");
    let dir = dir_with(&sealed_to(&[identity.recipient()]));
    put(dir.path(), "config.identity", &identity.secret_text());
    assert_eq!(read(&required(&dir)), "read");
    assert_eq!(read(&flags(&dir_with(&plain()))), "read");
}

#[test]
fn what_is_inside_of_a_sealed_file_is_checked_as_a_plain_one_is() {
    let identity = ConfigIdentity::generate();
    let recipients = [identity.recipient()];
    let inside = |content: &[u8]| {
        let dir = dir_with(&seal(content, &recipients).unwrap());
        put(dir.path(), "config.identity", &identity.secret_text());
        read(&flags(&dir))
    };
    assert_eq!(inside(&plain()), "read");
    assert_eq!(inside(b""), "config 0x1f: the file is empty (file 0x1f)");
    let text = inside(b"hunter2");
    assert_eq!(text, "config 0x1f: the file is no config: it does not begin as zlib data (file 0x1f)");
    let text = inside(&plain()[..20]);
    assert_eq!(text, "config 0x1f: the file is cut short: its compressed data has no end (file 0x1f)");
}

#[test]
fn a_file_that_was_sealed_twice_is_refused() {
    let identity = ConfigIdentity::generate();
    // Sealed with age itself, since `seal` refuses it.
    let key: age::x25519::Recipient = identity.recipient().to_string().parse().unwrap();
    let twice = age::encrypt(&key, &sealed_to(&[identity.recipient()])).unwrap();
    let dir = dir_with(&twice);
    put(dir.path(), "config.identity", &identity.secret_text());
    assert!(read(&flags(&dir)).contains("the file is sealed (age): open it first"));
}

#[test]
fn the_default_file_of_identities_need_not_be_there() {
    for dir in ["/no/such/directory", "/dev/null"] {
        let sealing = Sealing::of_flags(&Flags::with_config_dir(dir)).unwrap();
        assert!(sealing.identities().is_none(), "{dir}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(Sealing::of_flags(&flags(&dir)).unwrap().identities().is_none());
    symlink("nowhere", dir.path().join("config.identity")).unwrap();
    assert!(Sealing::of_flags(&flags(&dir)).is_err());
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "config.identity", &ConfigIdentity::generate().secret_text());
    let sealing = Sealing::of_flags(&flags(&dir)).unwrap();
    assert_eq!(sealing.identities().unwrap().file(), dir.path().join("config.identity"));
}

#[tokio::test(start_paused = true)]
async fn with_identities_that_are_refused_the_rest_is_checked_all_the_same() {
    let builder = TestApp::builder();
    let dir = builder.config_dir().to_owned();
    put(&dir, "0x1f", &sealed_to(&[ConfigIdentity::generate().recipient()]));
    put(&dir, "0x2f", b"no config");
    put(
        &dir,
        "0x3f",
        b"age-encryption.org/v1\n-> scrypt a 18\n\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
    );
    put(&dir, "config.identity", b"hunter2");
    let app = builder.build();
    let report = app.start().await.unwrap_err();
    let text = format!("{report:?}").replace(&format!("{}/", dir.display()), "");
    for problem in [
        "config identity: line 1 is no identity: it is no age key (file config.identity)",
        "config 0x2f: the file is no config: it does not begin as zlib data (file 0x2f)",
        "config 0x3f: the file is sealed with a passphrase: seal it to a recipient (age --recipient age1..) (file 0x3f)",
    ] {
        assert!(text.contains(problem), "{problem}: {text}");
    }
    assert!(!text.contains("0x1f") && !text.contains("hunter2"), "{text}");
}
