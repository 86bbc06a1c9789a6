//! Names of ids for people. [`ids!`](crate::ids) records them in any crate. The first look-up collects them.
//!
//! The names are constants of the program. So a look-up gives the same result each time.

use std::fmt;
use std::sync::OnceLock;

use crate::hex;
use crate::kind::IdKind;

/// A name of an id. [`ids!`](crate::ids) records it through `inventory`. You can also record it yourself:
///
/// ```
/// # use app_ids::{IdKind, IdName, ServiceId};
/// app_ids::__inventory::submit! { IdName::new(IdKind::Service, 0xb1d3_02a9_7c55_e011, "greeter") }
///
/// assert_eq!(ServiceId::new(0xb1d3_02a9_7c55_e011).name(), Some("greeter"));
/// ```
// The derived order is the order of the table: by kind, then id, then name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct IdName {
    /// The kind of the id.
    pub kind: IdKind,
    /// The id.
    pub id: u64,
    /// Its name: printable ASCII.
    pub name: &'static str,
}

inventory::collect!(IdName);

impl IdName {
    /// A name of the id of this kind.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty or not printable ASCII, since logs and terminals show it as it is. In a constant, which is the
    /// intended use, that is a compile error.
    #[must_use]
    pub const fn new(kind: IdKind, id: u64, name: &'static str) -> Self {
        assert!(!name.is_empty(), "the name of an id is empty");
        let bytes = name.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] >= b' ' && bytes[at] <= b'~', "the name of an id is not printable ASCII");
            at += 1;
        }
        Self { kind, id, name }
    }

    /// Every name that was recorded in any crate of this program, sorted by kind, id and name, without duplicates.
    ///
    /// An id may have two names, and two ids of a kind may have one name. The caller decides whether that is a mistake.
    #[must_use]
    pub fn recorded() -> &'static [Self] {
        static TABLE: OnceLock<Vec<IdName>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut table: Vec<Self> = inventory::iter::<Self>.into_iter().copied().collect();
            // The order of inventory is unspecified.
            table.sort_unstable();
            table.dedup();
            table
        })
    }
}

/// The first name of the id.
pub(crate) fn name_of(kind: IdKind, id: u64) -> Option<&'static str> {
    let table = IdName::recorded();
    let first = table.partition_point(|entry| (entry.kind, entry.id) < (kind, id));
    table.get(first).filter(|entry| (entry.kind, entry.id) == (kind, id)).map(|entry| entry.name)
}

/// The id with the name, if exactly one has it.
pub(crate) fn id_of(kind: IdKind, name: &str) -> Option<u64> {
    let mut found = IdName::recorded().iter().filter(|entry| entry.kind == kind && entry.name == name);
    let only = found.next()?;
    found.next().is_none().then_some(only.id)
}

/// Prints an id for people: `name (hex)`, or `hex` without a recorded name. `describe()` of every id type returns it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    kind: IdKind,
    id: u64,
}

impl Described {
    pub(crate) fn new(kind: IdKind, id: u64) -> Self {
        Self { kind, id }
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name_of(self.kind, self.id) {
            Some(name) => write!(f, "{name} ({:x})", self.id),
            None => hex::fmt(self.id, f),
        }
    }
}

/// Declares ids as constants, and records their names.
///
/// ```
/// use app_ids::{LogEventId, ServiceId, ids};
///
/// ids! {
///     /// Service id of the greeter.
///     pub GREETER: ServiceId = 0xb1d3_02a9_7c55_e011, "greeter";
///     /// A person was greeted.
///     GREETED: LogEventId = 0x9cba_01f7_4e2d_6a55, "greeted";
/// }
///
/// assert_eq!(GREETER.describe().to_string(), "greeter (b1d302a97c55e011)");
/// assert_eq!(GREETED.name(), Some("greeted"));
/// assert_eq!(ServiceId::named("greeter"), Some(GREETER));
/// ```
///
/// A name that is empty or not printable ASCII does not compile:
///
/// ```compile_fail
/// app_ids::ids! { GREETER: app_ids::ServiceId = 0xb1d3_02a9_7c55_e011, "two\nlines"; }
/// ```
#[macro_export]
macro_rules! ids {
    ($($(#[$attribute:meta])* $visibility:vis $constant:ident: $id_type:ty = $id:expr, $name:expr;)+) => {$(
        $(#[$attribute])*
        $visibility const $constant: $id_type = <$id_type>::new($id);

        $crate::__inventory::submit! { $crate::IdName::new(<$id_type>::KIND, $id, $name) }
    )+};
}

#[cfg(test)]
mod tests;
