//! The identities that the seeds are sealed to. They open nothing else.

use app_config::{Identities, Identity};

const TEXT: &str = include_str!("../test.identity");

/// Each as its text.
pub fn texts() -> impl Iterator<Item = &'static str> {
    TEXT.lines().filter(|line| !line.starts_with('#'))
}

/// Both, in the order of the file.
#[must_use]
pub fn identities() -> Vec<Identity> {
    texts().map(|text| text.parse().expect("an identity")).collect()
}

/// As they open files.
#[must_use]
pub fn opener() -> Identities {
    Identities::of(identities()).expect("there are two")
}
