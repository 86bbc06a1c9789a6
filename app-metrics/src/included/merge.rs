//! Puts the families of all sources together, so that each stands once.

use super::meters::{Drops, Reason};
use super::model::{ForeignFamily, ForeignSeries};
use crate::MetricRegistry;
use crate::names::taken;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Overflow series that a family may have beyond its limit.
pub(super) const OVERFLOW_SERIES: usize = 16;

/// The families of all sources, in the order of their names, and what was left out of each source.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) families: Vec<ForeignFamily>,
    pub(crate) drops: Vec<(String, Drops)>,
}

/// Merges the families of sources. `registry` knows the names that are taken, and `max_series` limits each family, without its
/// overflow series.
pub(crate) fn merged(
    registry: &MetricRegistry,
    max_series: usize,
    sources: impl IntoIterator<Item = (String, Vec<ForeignFamily>)>,
) -> Merged {
    let mut merging = Merging { registry, max_series, families: BTreeMap::new(), names: HashMap::new() };
    let mut drops = Vec::new();
    for (source, families) in sources {
        let mut left_out = Drops::default();
        for family in families {
            merging.add(family, &mut left_out);
        }
        drops.push((source, left_out));
    }
    let families = merging.families.into_values().map(|(family, _)| family);
    Merged { families: families.filter(|family| !family.series.is_empty()).collect(), drops }
}

struct Merging<'a> {
    registry: &'a MetricRegistry,
    max_series: usize,
    /// Families, each with the labels of its series.
    families: BTreeMap<String, (ForeignFamily, HashSet<Arc<str>>)>,
    /// Every name of a family and its samples, and the family.
    names: HashMap<String, String>,
}

impl Merging<'_> {
    fn add(&mut self, mut family: ForeignFamily, drops: &mut Drops) {
        if let Some((known, labels)) = self.families.get_mut(&family.base) {
            if known.kind != family.kind {
                return drops.add(Reason::TypeConflict, &family.base);
            }
            for series in family.series {
                extend(known, labels, series, self.max_series, drops);
            }
            return;
        }
        let names: Vec<String> = taken(&family.base, family.kind.suffixes()).collect();
        if names.iter().any(|name| self.registry.has_name(name)) {
            return drops.add(Reason::NameTaken, &family.base);
        }
        if names.iter().any(|name| self.names.contains_key(name)) {
            return drops.add(Reason::TypeConflict, &family.base);
        }
        self.names.extend(names.into_iter().map(|name| (name, family.base.clone())));
        let mut labels = HashSet::new();
        let all = std::mem::take(&mut family.series);
        for series in all {
            extend(&mut family, &mut labels, series, self.max_series, drops);
        }
        self.families.insert(family.base.clone(), (family, labels));
    }
}

fn extend(
    family: &mut ForeignFamily,
    labels: &mut HashSet<Arc<str>>,
    series: ForeignSeries,
    max_series: usize,
    drops: &mut Drops,
) {
    if family.series.len() >= max_series.saturating_add(OVERFLOW_SERIES) {
        drops.add(Reason::SeriesCap, &family.base);
    } else if labels.insert(Arc::clone(&series.labels)) {
        family.series.push(series);
    } else {
        drops.add(Reason::Duplicate, &family.base);
    }
}
