//! Owners in directories that are open to everyone. Only root can make files of other users. Without root, these parts are
//! skipped.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tempfile::TempDir;

use super::*;
use crate::file::{FileError, FileKind, read};

/// A user that is neither root nor this process.
const STRANGER: u32 = 54_321;

/// Another such user.
const OTHER: u32 = 54_322;

fn directory(mode: u32) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
    dir
}

fn put(path: &Path, owner: Option<u32>) {
    fs::write(path, b"content").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
    give(path, owner);
}

fn give(path: &Path, owner: Option<u32>) {
    chown(path, owner, owner).unwrap();
}

fn refusal(path: &Path) -> Option<String> {
    read(path, FileKind::Config).err().map(|error| error.to_string())
}

fn is_root() -> bool {
    if !geteuid().is_root() {
        eprintln!("skipped: only root makes files of other users");
    }
    geteuid().is_root()
}

#[test]
fn a_file_of_another_user_is_refused_where_anybody_may_add_files() {
    if !is_root() {
        return;
    }
    for mode in [0o777, 0o1777, 0o707] {
        let dir = directory(mode);
        let path = dir.path().join("0x1");
        put(&path, Some(STRANGER));
        let (path, folder) = (path.display(), dir.path().display());
        let expected = format!(
            "{path} belongs to user {STRANGER}, and everyone may add files to {folder}: chmod o-w {folder}, and chown root the file if it is a good one"
        );
        assert_eq!(refusal(&dir.path().join("0x1")), Some(expected), "{mode:o}");
    }
}

#[test]
fn files_of_root_of_this_user_and_of_the_owner_of_the_directory_are_read() {
    let dir = directory(0o1777);
    let path = dir.path().join("0x1");
    put(&path, None);
    assert_eq!(refusal(&path), None);
    if !is_root() {
        return;
    }
    give(dir.path(), Some(STRANGER));
    for owner in [0, STRANGER] {
        give(&path, Some(owner));
        assert_eq!(refusal(&path), None, "{owner}");
    }
    give(&path, Some(OTHER));
    assert!(refusal(&path).unwrap().contains(&format!("belongs to user {OTHER},")));
}

#[test]
fn a_directory_that_nobody_else_may_add_to_asks_for_no_owner() {
    if !is_root() {
        return;
    }
    // The last directory may be written but not searched, so other users can't add files to it.
    for mode in [0o755, 0o775, 0o700, 0o702] {
        let dir = directory(mode);
        let path = dir.path().join("0x1");
        put(&path, Some(STRANGER));
        assert_eq!(refusal(&path), None, "{mode:o}");
    }
}

#[test]
fn a_link_of_another_user_is_refused_also_to_a_file_of_root() {
    if !is_root() {
        return;
    }
    let (dir, elsewhere) = (directory(0o1777), directory(0o700));
    let (link, target) = (dir.path().join("0x1"), elsewhere.path().join("backup"));
    put(&target, Some(0));
    symlink(&target, &link).unwrap();
    assert_eq!(refusal(&link), None);
    std::os::unix::fs::lchown(&link, Some(STRANGER), None).unwrap();
    let text = refusal(&link);
    // If the system does not follow links of strangers (fs.protected_symlinks), the file can't even be opened.
    let refused = text
        .as_ref()
        .is_some_and(|text| text.contains(&format!("user {STRANGER},")) || text.contains("opened"));
    assert!(refused, "{text:?}");
}

#[test]
fn every_step_of_links_as_kubernetes_makes_them_is_looked_at() {
    if !is_root() {
        return;
    }
    let dir = directory(0o1777);
    let data = dir.path().join("..2026");
    fs::create_dir(&data).unwrap();
    put(&data.join("0x1"), Some(0));
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/0x1", dir.path().join("0x1")).unwrap();
    let path = dir.path().join("0x1");
    assert_eq!(refusal(&path), None);
    // The files are in a directory of their own, whose owner may change them.
    give(&data, Some(STRANGER));
    assert!(refusal(&path).unwrap().starts_with(&format!("{} belongs to user {STRANGER}", data.display())));
    give(&data, Some(0));
    give(&data.join("0x1"), Some(STRANGER));
    assert_eq!(refusal(&path), None, "nobody may add files beside it");
}

#[test]
fn a_link_out_of_a_closed_directory_into_an_open_one_is_looked_at() {
    if !is_root() {
        return;
    }
    let (dir, open) = (directory(0o700), directory(0o1777));
    put(&open.path().join("file"), Some(STRANGER));
    symlink(open.path().join("file"), dir.path().join("0x1")).unwrap();
    assert!(refusal(&dir.path().join("0x1")).unwrap().contains(&format!("belongs to user {STRANGER},")));
}

#[test]
fn another_name_for_a_file_is_refused_where_anybody_may_add_names() {
    let (dir, path) = (directory(0o1777), "0x1");
    let target = dir.path().join("target");
    put(&target, None);
    fs::hard_link(&target, dir.path().join(path)).unwrap();
    assert!(refusal(&dir.path().join(path)).unwrap().contains("has another name (a hard link)"));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refusal(&dir.path().join(path)), None);
}

#[test]
fn the_file_that_was_opened_is_the_one_that_counts() {
    let dir = directory(0o1777);
    let (path, other) = (dir.path().join("0x1"), dir.path().join("other"));
    put(&path, None);
    put(&other, None);
    let opened = other.metadata().unwrap();
    assert_eq!(check(&path, &path.metadata().unwrap()).unwrap(), Way::Trusted);
    assert_eq!(check(&path, &opened).unwrap(), Way::Replaced);
    fs::remove_file(&path).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(check(&path, &opened).unwrap(), Way::Closed);
}

#[test]
fn an_identity_of_another_user_is_refused_alike() {
    if !is_root() {
        return;
    }
    let dir = directory(0o1777);
    let path = dir.path().join("config.identity");
    put(&path, Some(STRANGER));
    assert!(matches!(
        read(&path, FileKind::Identities),
        Err(FileError::Owner(OwnerError::Untrusted { uid: STRANGER, known: true, .. }))
    ));
}

#[test]
fn a_map_of_user_ids_is_whole_or_not() {
    assert!(is_whole("         0          0 4294967295\n"));
    assert!(is_whole("0 0 1000\n1000 1001 4294966295\n"));
    assert!(!is_whole("0 1000 1\n1 100000 65536\n") && !is_whole(""));
}

#[test]
fn a_directory_that_its_group_may_change_is_warned_of_unless_the_group_is_of_one() {
    let dir = directory(0o2775);
    let shown = dir.path().display();
    let gid = dir.path().metadata().unwrap().gid();
    let quiet = warnings(dir.path()).is_empty();
    assert_eq!(quiet, [0, geteuid().as_raw()].contains(&gid));
    if !is_root() {
        return;
    }
    chown(dir.path(), None, Some(STRANGER)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o2775)).unwrap();
    assert_eq!(
        warnings(dir.path()),
        [format!(
            "the config directory {shown} may be changed by every member of group {STRANGER} (mode 2775): chmod g-w, unless all of them may make configs"
        )]
    );
}

#[test]
fn a_directory_in_one_that_anybody_may_change_is_warned_of() {
    let outer = directory(0o777);
    let inner = outer.path().join("configs");
    fs::create_dir(&inner).unwrap();
    fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
    let text = warnings(&inner).join("\n");
    assert!(text.contains("may be replaced by everyone, since it is in "), "{text}");
    fs::set_permissions(outer.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(warnings(&inner).is_empty(), "only its owner may rename it");
    if is_root() {
        chown(&inner, Some(STRANGER), Some(STRANGER)).unwrap();
        let text = warnings(&inner).join("\n");
        assert!(text.contains(&format!("belongs to user {STRANGER}, who may have made it")), "{text}");
    }
}
