//! Tests of when a file is read again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;

use super::{Look, Watched};

/// A directory, and a file in it that is looked at.
fn watched(content: Option<&str>) -> (tempfile::TempDir, Watched) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    if let Some(content) = content {
        fs::write(&file, content).unwrap();
    }
    (dir, Watched::new(file))
}

/// Two looks that report a change, and one that reports none.
#[track_caller]
fn is_due_once(watched: &mut Watched) {
    assert_eq!([(); 3].map(|()| watched.look()), [Look::Changing, Look::Changed, Look::Same]);
}

#[test]
fn a_file_that_nobody_touches_is_never_due() {
    for content in [None, Some("a")] {
        let (_dir, mut watched) = watched(content);
        assert_eq!([(); 3].map(|()| watched.look()), [Look::Same; 3]);
    }
}

#[test]
fn a_file_that_was_written_in_place_or_replaced_or_made_or_removed_is_due_once() {
    let (dir, mut watched) = watched(None);
    let file = watched.file().to_owned();
    fs::write(&file, "made").unwrap();
    is_due_once(&mut watched);
    fs::write(&file, "written").unwrap();
    is_due_once(&mut watched);
    let other = dir.path().join("other");
    fs::write(&other, "another").unwrap();
    fs::rename(&other, &file).unwrap();
    is_due_once(&mut watched);
    fs::remove_file(&file).unwrap();
    is_due_once(&mut watched);
}

#[test]
fn a_link_above_the_file_that_leads_elsewhere_makes_it_due() {
    let dir = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        fs::create_dir(dir.path().join(version)).unwrap();
        fs::write(dir.path().join(version).join("file"), "the same").unwrap();
    }
    symlink("1", dir.path().join("..data")).unwrap();
    symlink("..data/file", dir.path().join("file")).unwrap();
    let mut watched = Watched::new(dir.path().join("file"));
    symlink("2", dir.path().join("..next")).unwrap();
    fs::rename(dir.path().join("..next"), dir.path().join("..data")).unwrap();
    is_due_once(&mut watched);
}

#[test]
fn a_file_is_not_due_while_it_changes() {
    let (_dir, mut watched) = watched(Some(""));
    for length in 1..5 {
        fs::write(watched.file(), "a".repeat(length)).unwrap();
        assert_eq!(watched.look(), Look::Changing);
    }
    assert_eq!(watched.look(), Look::Changed);
}

#[test]
fn a_file_that_is_read_anyway_is_not_due() {
    let (_dir, mut watched) = watched(Some(""));
    fs::write(watched.file(), "a").unwrap();
    watched.read_now();
    assert_eq!(watched.look(), Look::Same);
}
