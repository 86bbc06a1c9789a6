//! Files get to their path whole, readable by their owner only, and replace others only if forced.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_new_file_is_for_its_owner_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0x1");
    place_file(&path, b"content", Overwrite::Never).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"content");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o400);
    assert_eq!(names(folder.path()), ["0x1"]);
}

#[test]
fn what_is_there_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0x1");
    fs::write(&path, b"old").unwrap();
    let error = place_file(&path, b"new", Overwrite::Never).unwrap_err();
    assert_eq!(error.to_string(), format!("{} exists: it is not overwritten unless forced", path.display()));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    place_file(&path, b"new", Overwrite::Force).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o400);
    assert_eq!(names(folder.path()), ["0x1"]);
}

#[test]
fn a_link_is_replaced_and_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("0x1"), folder.path().join("target"));
    fs::write(&target, b"target").unwrap();
    symlink(&target, &path).unwrap();
    assert!(matches!(place_file(&path, b"new", Overwrite::Never), Err(PlaceError::Exists(_))));
    place_file(&path, b"new", Overwrite::Force).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"target");
    assert!(path.symlink_metadata().unwrap().is_file());

    let dangling = folder.path().join("0x2");
    symlink("nowhere", &dangling).unwrap();
    assert!(matches!(place_file(&dangling, b"new", Overwrite::Never), Err(PlaceError::Exists(_))));
}

#[test]
fn what_can_not_be_placed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("folder");
    fs::create_dir_all(taken.join("inner")).unwrap();
    let error = place_file(&taken, b"new", Overwrite::Force).unwrap_err();
    assert_eq!(error.to_string(), format!("{} can't be put in its place", taken.display()));
    assert_eq!(names(folder.path()), ["folder"]);

    let nowhere = folder.path().join("none").join("0x1");
    let error = place_file(&nowhere, b"new", Overwrite::Never).unwrap_err();
    assert_eq!(error.to_string(), format!("{} can't be written", nowhere.display()));
    assert!(matches!(place_file(Path::new("/"), b"new", Overwrite::Force), Err(PlaceError::NoName(_))));
}

#[test]
fn a_file_has_no_name_before_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let names = || dir.path().read_dir().unwrap().count();
    // Some file systems have no nameless files.
    let Some(file) = nameless(dir.path(), b"content", 0o644).unwrap() else { return };
    assert_eq!(names(), 0);
    let path = dir.path().join("config");
    link(&file, &path).unwrap();
    assert_eq!((names(), fs::read(&path).unwrap()), (1, b"content".to_vec()));
    assert_eq!(link(&file, &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert!(nameless(&dir.path().join("nothing"), b"content", 0o644).unwrap().is_none());
}
