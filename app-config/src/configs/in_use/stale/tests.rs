//! Tests of the line about a stale config.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;

use nix::errno::Errno;

use super::*;
use crate::file::{FileError, IDENTITIES};

fn described(error: LoadError) -> (StaleKind, String) {
    let error = Located::in_file("/config/0x1", error);
    (StaleKind::of(&error), error.to_string())
}

fn fault(errno: Errno) -> (StaleKind, String) {
    described(LoadError::File(FileError::Open(io::Error::from_raw_os_error(errno as i32))))
}

#[test]
fn a_fault_is_news_once_and_its_time_stays_until_another_kind_comes() {
    let mut stale = None;
    assert!(note(&mut stale, Some(fault(Errno::EACCES))));
    let since = stale.as_ref().unwrap().since;
    assert!(!note(&mut stale, Some(fault(Errno::EACCES))));
    assert!(note(&mut stale, Some(fault(Errno::ELOOP))), "another reason is news");
    assert_eq!(stale.as_ref().map(|stale| (stale.kind, stale.since)), Some((StaleKind::Refused, since)));
    assert!(note(&mut stale, Some(fault(Errno::EMFILE))));
    assert_eq!(stale.as_ref().map(|stale| stale.kind), Some(StaleKind::Unread));
    assert!(!note(&mut stale, None));
    assert!(stale.is_none());
}

#[test]
fn the_line_for_people_says_what_since_when_and_why() {
    let mut stale = None;
    note(&mut stale, Some(described(LoadError::Removed)));
    let stale = StaleConfig { since: SystemTime::UNIX_EPOCH, ..stale.unwrap() };
    assert_eq!(
        stale.note("config 0x1"),
        "config 0x1 is from a file that is gone since 1970-01-01T00:00:00Z, and stays in effect until the process ends: \
         the file was removed (file /config/0x1)"
    );
    let mut unread = None;
    note(&mut unread, Some(fault(Errno::EMFILE)));
    let unread = unread.unwrap().note(IDENTITIES);
    for part in ["config identity could not be read since 2", "it is tried again", "RLIMIT_NOFILE"] {
        assert!(unread.contains(part), "{part}: {unread}");
    }
}
