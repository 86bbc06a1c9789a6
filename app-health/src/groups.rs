//! Groups: which probe, or which page of an operator's own, a check counts for.
//!
//! | group | counts for | until |
//! |---|---|---|
//! | [`LIVENESS_GROUP`] | `/livez`: a critical check of it that fails has the process killed and started again | always |
//! | [`READINESS_GROUP`] | `/readyz`: a critical check of it has to pass for the application to get work | always |
//! | [`STARTUP_GROUP`] | `/healthz/startup`, and `/readyz`: a critical check of it has to have passed once | it has |
//! | any other | `/healthz/<group>` | always |
//!
//! A check that names none of the first three is in `readiness`. `/healthz` shows all checks, whatever their groups.

/// Checks that say whether the process should be killed and started again. They must look at nothing outside of it: to
/// restart a process because its database is down makes things worse.
pub const LIVENESS_GROUP: &str = "liveness";
/// Checks that say whether the application should get work.
pub const READINESS_GROUP: &str = "readiness";
/// Checks that have to pass once, after the start.
pub const STARTUP_GROUP: &str = "startup";

/// The groups of the probes.
pub(crate) const PROBES: [&str; 3] = [LIVENESS_GROUP, READINESS_GROUP, STARTUP_GROUP];

/// How long the name of a group may be.
const LONGEST: usize = 64;

/// Why a name can't be that of a group: it is part of a path, and must not be taken for an id.
pub(crate) fn flaw(name: &str) -> Option<&'static str> {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST {
        Some("must have 1 to 64 characters")
    } else if !name.chars().all(fits) {
        Some("must be of letters, digits and - _ . only")
    } else if name.starts_with("0x") || name.starts_with('.') {
        Some("must not begin with 0x or .")
    } else {
        None
    }
}
