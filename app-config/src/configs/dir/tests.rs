//! The directory: names and listings.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::configs::LoadError;
use crate::file::FileError;

fn listed(names: &[&[u8]]) -> (Vec<String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(dir.path().join(OsStr::from_bytes(name)), b"").unwrap();
    }
    let listing = ConfigDir::new(dir.path()).list();
    let place = format!(" (file {}/", dir.path().display());
    let faults = listing.errors.iter().map(|fault| fault.to_string().replace(&place, " ("));
    (listing.services.iter().map(ServiceId::to_string).collect(), faults.collect())
}

#[test]
fn a_directory_that_does_not_exist_has_no_configs() {
    let dir = ConfigDir::new("/no/such/directory");
    assert!(!dir.exists());
    assert!(dir.service_ids().unwrap().is_empty());
    assert!(!dir.has(ServiceId::new(1)));
    assert!(dir.read(ServiceId::new(1)).unwrap().is_none());
}

#[test]
fn a_directory_that_everybody_may_change_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let warnings = |mode| {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        ConfigDir::new(dir.path()).warnings()
    };
    let shown = format!("the config directory {}", dir.path().display());
    assert_eq!(warnings(0o777), [format!("{shown} may be changed by everyone (mode 0777): chmod o-w")]);
    assert_eq!(warnings(0o1777), [format!("{shown} may get files from everyone (mode 1777): chmod o-w")]);
    // A user who may not search a directory can't add files to it.
    assert!(warnings(0o772).is_empty() && warnings(0o755).is_empty() && warnings(0o700).is_empty());
    assert!(ConfigDir::new("/no/such/directory").warnings().is_empty());
}

#[test]
fn the_file_of_a_service_is_named_by_its_id() {
    let dir = ConfigDir::new("/run/secrets");
    let service = ServiceId::new(0xe492_14fa_20b3_5ba8);
    assert_eq!(dir.file(service), Path::new("/run/secrets/0xe49214fa20b35ba8"));
    assert_eq!(ConfigDir::file_name(ServiceId::new(0x1f)), "0x1f");
}

#[test]
fn a_listing_has_the_services_in_order_and_ignores_other_names() {
    let names: [&[u8]; 6] = [b"0xff", b"0x1f", b"..data", b"db_password", b"config.identity", b"10"];
    assert_eq!(listed(&names), (vec!["1f".to_owned(), "ff".to_owned()], vec![]));
}

#[test]
fn a_name_that_begins_as_a_config_and_is_no_id_is_an_error_that_says_why() {
    let (services, faults) = listed(&[
        b"0x1f",
        b"0x",
        b"0x1g",
        b"0x001f",
        b"0xFF",
        b"0x10000000000000000",
        b"0x1f.bak",
        b"0x\xff",
    ]);
    assert_eq!(services, ["1f"]);
    assert_eq!(
        faults,
        [
            "the name of a file begins with 0x, as those of configs, but \"0x\" is no service id: no digits follow 0x (0x)",
            "the name of a file is a service id in another form: rename it to 0x1f (0x001f)",
            "the name of a file begins with 0x, as those of configs, but \"0x10000000000000000\" is no service id: it takes more than 64 bits (0x10000000000000000)",
            "the name of a file begins with 0x, as those of configs, but \"0x1f.bak\" is no service id: '.' is no digit (0x1f.bak)",
            "the name of a file begins with 0x, as those of configs, but \"0x1g\" is no service id: 'g' is no digit (0x1g)",
            "the name of a file is a service id in another form: rename it to 0xff (0xFF)",
            "the name of a file begins with 0x, as those of configs, but is not UTF-8 (0x\u{fffd})",
        ]
    );
}

#[test]
fn a_directory_that_is_none_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, b"").unwrap();
    let config_dir = ConfigDir::new(&path);
    assert!(!config_dir.exists());
    let error = config_dir.service_ids().unwrap_err();
    let expected = "config directory: it can't be listed: Not a directory (os error 20)";
    assert_eq!(error.to_string(), format!("{expected} (directory {})", path.display()));
}

#[test]
fn a_link_that_leads_nowhere_is_a_config_that_can_not_be_read() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere", dir.path().join("0x1f")).unwrap();
    let config_dir = ConfigDir::new(dir.path());
    let service = ServiceId::new(0x1f);
    assert!(config_dir.has(service));
    assert_eq!(config_dir.service_ids().unwrap(), [service]);
    let Err(error) = config_dir.read(service) else { panic!("read") };
    let expected = "config 0x1f: the file is a symbolic link to a path that does not exist";
    assert_eq!(error.to_string(), format!("{expected} (file {})", dir.path().join("0x1f").display()));
    assert!(matches!(
        error.downcast_cause::<Located<LoadError>>().unwrap().error(),
        LoadError::File(FileError::Dangling)
    ));
}
