//! Names that are recorded, shared, missing.

use super::*;
use crate::{IdKind, MetricId, ServiceId};

ids! {
    /// Recorded once.
    ALONE: ServiceId = 0xa10e, "alone";
    /// Recorded twice, under two names.
    pub(super) SECOND: ServiceId = 0x2222, "second";
    /// The other name.
    FIRST: ServiceId = 0x2222, "first";
    TWIN: ServiceId = 0x7777, "twin";
    OTHER_TWIN: ServiceId = 0x8888, "twin";
    /// The number of another kind's id.
    METRIC: MetricId = 0xa10e, "a metric, with blanks";
    ZERO: ServiceId = 0, "application";
}

// What two crates record alike is one entry.
inventory::submit! { IdName::new(IdKind::Service, 0xa10e, "alone") }

#[test]
fn the_macro_declares_constants_and_records_their_names() {
    assert_eq!(ALONE, ServiceId::new(0xa10e));
    assert_eq!(ALONE.name(), Some("alone"));
    assert_eq!(METRIC.name(), Some("a metric, with blanks"));
    assert_eq!(ZERO.name(), Some("application"));
}

#[test]
fn an_id_is_described_by_its_name_and_its_number() {
    assert_eq!(ALONE.describe().to_string(), "alone (a10e)");
    assert_eq!(ServiceId::new(0xa10f).describe().to_string(), "a10f");
    assert_eq!(ServiceId::new(0xa10f).name(), None);
    assert_eq!(ServiceId::new(u64::MAX).name(), None);
}

#[test]
fn of_several_names_the_first_in_the_alphabet_is_shown() {
    assert_eq!(FIRST, SECOND);
    assert_eq!(FIRST.name(), Some("first"));
}

#[test]
fn a_name_finds_its_id_unless_it_is_shared() {
    assert_eq!(ServiceId::named("alone"), Some(ALONE));
    assert_eq!(ServiceId::named("second"), Some(SECOND));
    assert_eq!(MetricId::named("alone"), None);
    assert_eq!(ServiceId::named("nobody"), None);
    assert_ne!(TWIN, OTHER_TWIN);
    assert_eq!(ServiceId::named("twin"), None);
}

#[test]
fn the_table_is_sorted_and_has_every_entry_once() {
    let table = IdName::recorded();
    assert!(table.is_sorted());
    assert_eq!(table.iter().filter(|entry| entry.name == "alone").count(), 1);
    assert_eq!(table.iter().filter(|entry| entry.id == 0x2222).count(), 2);
}

#[test]
fn ids_may_be_declared_inside_a_function() {
    ids! { INSIDE: MetricId = 0x1115_1de0, "inside"; }
    assert_eq!(INSIDE.name(), Some("inside"));
}

#[test]
#[should_panic(expected = "not printable ASCII")]
fn a_name_with_a_control_character_is_a_mistake_of_the_program() {
    let _name = IdName::new(IdKind::Service, 1, "two\nlines");
}

#[test]
#[should_panic(expected = "is empty")]
fn an_empty_name_is_a_mistake_of_the_program() {
    let _name = IdName::new(IdKind::Service, 1, "");
}
