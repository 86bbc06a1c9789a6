//! A program that links no sealer: it reads plain files, and says what is missing for sealed ones.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use app_core::prelude::ServiceId;
use capnp::message::Builder;
use quota_schema::quota_capnp::quota_spec;
use tempfile::TempDir;

use super::*;
use crate::codec::marshal;
use crate::configs::{ConfigDir, check_all};

/// A sealed file of the right form.
const SEALED: &[u8] =
    b"age-encryption.org/v1\n-> X25519 a\nb\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nsealed";

const REFUSAL: &str = "config 0x1f: the file is sealed, and this program can't open sealed files: link app-sealing (use app_sealing as _;) (file 0x1f)";

fn plain() -> Vec<u8> {
    let mut message = Builder::new_default();
    message.init_root::<quota_spec::Builder<'_>>().init_rules(1).get(0).set_name("default");
    let mut file = Vec::new();
    marshal(&message, &mut file).unwrap();
    file
}

fn put(dir: &TempDir, name: &str, content: &[u8]) {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
}

fn dir_with(content: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(&dir, "0x1f", content);
    dir
}

/// The result of reading the file of the service: `read`, or the error without the directory.
fn read(dir: &TempDir, require_sealed: bool) -> String {
    let mut flags = Flags::with_config_dir(dir.path());
    flags.set_group(SealingFlags { require_sealed });
    let sealing = Sealing::of_flags(&flags).unwrap();
    assert!(sealing.identities().is_none());
    match ConfigDir::new(dir.path()).with_sealing(sealing).read(ServiceId::new(0x1f)) {
        Ok(_) => "read".to_owned(),
        Err(error) => error.to_string().replace(&format!("{}/", dir.path().display()), ""),
    }
}

#[test]
fn a_sealed_file_is_refused_and_the_crate_that_opens_it_named() {
    let dir = dir_with(SEALED);
    assert_eq!(read(&dir, false), REFUSAL);
    assert_eq!(read(&dir, true), REFUSAL);
    // A file of identities changes nothing, and is not read.
    put(&dir, "config.identity", b"no identity");
    assert_eq!(read(&dir, false), REFUSAL);
    let problems = check_all(&ConfigDir::new(dir.path())).problems;
    assert!(problems.len() == 1 && problems[0].to_string().contains("link app-sealing"), "{problems:?}");
}

#[test]
fn a_sealed_file_that_nothing_could_open_says_so_first() {
    let cut = dir_with(b"age-encryption.org/v1\n-> X25");
    assert_eq!(read(&cut, false), "config 0x1f: the sealed file is cut short (file 0x1f)");
}

#[test]
fn plain_files_are_read_unless_sealed_ones_are_required() {
    let dir = dir_with(&plain());
    assert_eq!(read(&dir, false), "read");
    let expected = "config 0x1f: the file is not sealed, and --require-sealed refuses plain ones: seal it (config seal, or age --recipient age1..) (file 0x1f)";
    assert_eq!(read(&dir, true), expected);
}
