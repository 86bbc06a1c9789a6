//! Groups: the probe, or the page of your own, that a check counts for.
//!
//! | group | path | what a critical check in it does |
//! |---|---|---|
//! | [`LIVENESS_GROUP`] | `/livez` | if it fails, orchestrators kill and restart the process |
//! | [`READINESS_GROUP`] | `/readyz` | the application gets no work unless it passes |
//! | [`STARTUP_GROUP`] | `/healthz/startup`, `/readyz` | the application has not started until it has passed once |
//! | any other | `/healthz/<group>` | the page says `fail` unless it passes |
//!
//! A check in none of the first three groups is in `readiness`. `/healthz` shows the checks of all groups.

/// Group of checks that say whether the process must be restarted.
///
/// Such a check must not depend on anything outside of the process. A restart does not repair a database that is down.
pub const LIVENESS_GROUP: &str = "liveness";
/// Group of checks that say whether the application can do its work.
pub const READINESS_GROUP: &str = "readiness";
/// Group of checks that must pass once after the start.
pub const STARTUP_GROUP: &str = "startup";

/// The groups of the probes.
pub(crate) const PROBES: [&str; 3] = [LIVENESS_GROUP, READINESS_GROUP, STARTUP_GROUP];

/// Upper bound of a group name's length.
const LONGEST: usize = 64;

/// The reason why `name` is not valid for a group. A group name is part of a path and must differ from an id.
pub(crate) fn flaw(name: &str) -> Option<&'static str> {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST {
        Some("must have 1 to 64 characters")
    } else if !name.chars().all(fits) {
        Some("must contain only letters, digits and - _ .")
    } else if name.starts_with("0x") || name.starts_with('.') {
        Some("must not begin with 0x or .")
    } else {
        None
    }
}
