//! The config identities that the seeds are sealed to. They open nothing else.

use app_sealing::{ConfigIdentities, ConfigIdentity};

const TEXT: &str = include_str!("../test.identity");

/// The text of each identity.
pub fn texts() -> impl Iterator<Item = &'static str> {
    TEXT.lines().filter(|line| !line.starts_with('#'))
}

/// Both identities, in the order of the file.
#[must_use]
pub fn identities() -> Vec<ConfigIdentity> {
    texts().map(|text| text.parse().expect("an identity")).collect()
}

/// The identities as a set that opens files.
#[must_use]
pub fn opener() -> ConfigIdentities {
    ConfigIdentities::of(identities()).expect("there are two")
}
