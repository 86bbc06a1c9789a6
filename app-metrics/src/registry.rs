//! The metrics of one application: registered once, found by service and id, read by scrapes.
//!
//! Invariants:
//! 1. A key (service, metric) has one spec of one kind, for good. Nothing is unregistered, so a name in the exposition
//!    never changes its meaning.
//! 2. The lock guards the list of metrics, not the values. Counting never takes it.
//! 3. A scrape reads an immutable snapshot of the list. A new snapshot is made only after a registration.
//! 4. No two metrics have a readable name in common, nor the name of a sample. So a scrape with readable names has each
//!    family once.

mod family;
mod lookup;
#[cfg(test)]
mod tests;

use crate::errors::{METRIC_NAME_CONFLICT, METRIC_SPEC_CONFLICT, METRIC_SPEC_INVALID};
use crate::family::{Instrument, Registered, Spec};
use crate::names::{ReadableName, Vocabulary, taken};
use crate::spec::{CONSTANT_LABELS, Kind, Origin, Shape, constant_labels, label_text, problems};
use app_core::Identity;
use app_errors::Error;
use app_ids::{MetricId, ServiceId};
use arc_swap::ArcSwap;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap, hash_map};
use std::fmt;
use std::sync::Arc;

pub(crate) use family::Family;

/// Upper bound of a vector's series, unless its spec or the config sets one.
pub const DEFAULT_MAX_SERIES_PER_VECTOR: usize = 1_000;

type Key = (ServiceId, MetricId);
/// Names and values of the constant labels of a service's metrics. The config may leave some out of samples.
pub type ConstantLabels = [(&'static str, String); 5];

/// The metrics of one application, by service and id.
///
/// Services use it through [`Metrics`](crate::Metrics). It is public for the lookups, which are functions of the Go
/// library, one set for each kind.
pub struct MetricRegistry {
    identity: Identity,
    max_series_per_vector: usize,
    /// The constant labels that samples carry.
    carried: Vec<&'static str>,
    /// Whether errors leave out the content of specs.
    hides_values: bool,
    vocabulary: Vocabulary,
    families: RwLock<Families>,
    snapshot: ArcSwap<Snapshot>,
}

#[derive(Default)]
struct Families {
    by_key: BTreeMap<Key, Arc<Family>>,
    /// For each service: the constant labels, and the text of those that samples carry.
    labels: HashMap<ServiceId, (Arc<ConstantLabels>, Arc<str>)>,
    /// Every name of a scrape with readable names, and what has it.
    taken: HashMap<String, Owner>,
}

/// What has a name.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Metric(Key),
    /// A metric of the process, with the name that all Prometheus client libraries use.
    Process(&'static str),
}

/// The families in the order of their keys. No family is ever removed, so a snapshot with all of them is up to date.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) families: Vec<Arc<Family>>,
}

impl MetricRegistry {
    pub(crate) fn new(identity: Identity, max_series_per_vector: usize) -> Self {
        Self {
            identity,
            max_series_per_vector,
            carried: CONSTANT_LABELS.to_vec(),
            hides_values: false,
            vocabulary: Vocabulary::default(),
            families: RwLock::default(),
            snapshot: ArcSwap::default(),
        }
    }

    /// Limits samples to these constant labels.
    pub(crate) fn carrying(mut self, labels: &[&'static str]) -> Self {
        labels.clone_into(&mut self.carried);
        self
    }

    /// Makes errors leave out the content of specs, because a sealed config declares some of them.
    pub(crate) fn hiding_values(mut self, hides: bool) -> Self {
        self.hides_values = hides;
        self
    }

    /// Makes readable names of these words.
    pub(crate) fn speaking(mut self, vocabulary: Vocabulary) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// Keeps the names of the process's metrics from others. `bases` are without `_total`, each with its suffixes.
    pub(crate) fn reserve(&self, bases: impl IntoIterator<Item = (&'static str, &'static [&'static str])>) {
        let names = &mut self.families.write().taken;
        for (base, suffixes) in bases {
            names.extend(taken(base, suffixes).map(|name| (name, Owner::Process(base))));
        }
    }

    /// Whether a metric of this registry has the name, with ids or with readable names.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.families.read().taken.contains_key(name)
    }

    /// The readable name of a registered metric's samples, such as `quota_grants_total`; `None` if it is not
    /// registered, or has no readable name.
    #[must_use]
    pub fn readable_name(&self, service: ServiceId, metric: MetricId) -> Option<String> {
        let families = self.families.read();
        families.by_key.get(&(service, metric))?.readable_series()
    }

    /// The constant labels of a service's metrics: names and values of `domain app svc release instance`. Computed once
    /// for each service.
    #[must_use]
    pub fn metric_spec_labels(&self, service: ServiceId) -> Arc<ConstantLabels> {
        if let Some((labels, _)) = self.families.read().labels.get(&service) {
            return Arc::clone(labels);
        }
        Arc::new(constant_labels(&self.identity, service))
    }

    /// Registers a metric, or returns the metric that is registered with an equal spec.
    pub(crate) fn register<S: Spec>(&self, spec: S, origin: Origin) -> Result<S::Metric, Error> {
        let spec = checked(spec, origin)?;
        let key = {
            let common = spec.shape().spec;
            (common.service, common.metric)
        };
        let mut families = self.families.write();
        if let Some(family) = families.by_key.get(&key) {
            return match S::unwrap(&family.instrument) {
                Some(registered) if same(registered.spec(), &spec) => Ok(registered.metric().clone()),
                _ if self.hides_values => Err(hidden_conflict(&spec.shape())),
                _ => Err(conflict(&family.instrument, &spec.shape())),
            };
        }
        let readable = self.vocabulary.readable(key.0, key.1, spec.shape().kind);
        families.take(key, &spec.shape(), readable.as_ref())?;
        let labels = || {
            let labels = constant_labels(&self.identity, key.0);
            let text = self.carried_text(&labels);
            (Arc::new(labels), text)
        };
        let (all, carried) = families.labels.entry(key.0).or_insert_with(labels);
        let label_text =
            if origin == Origin::Identity { label_text(all.as_slice()).into() } else { Arc::clone(carried) };
        let registered = spec.register(self.max_series_per_vector);
        let metric = registered.metric().clone();
        families.by_key.insert(key, Arc::new(Family::new(readable, label_text, S::wrap(registered))));
        Ok(metric)
    }

    /// The text of the constant labels that a service's samples carry.
    pub(crate) fn sample_labels(&self, service: ServiceId) -> Arc<str> {
        self.carried_text(&self.metric_spec_labels(service))
    }

    fn carried_text(&self, labels: &ConstantLabels) -> Arc<str> {
        let carried = labels.iter().filter(|(name, _)| self.carried.contains(name)).cloned();
        label_text(&carried.collect::<Vec<_>>()).into()
    }

    /// Every registered metric, in the order of service and metric id.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let known = self.snapshot.load_full();
        let families = self.families.read();
        if known.families.len() == families.by_key.len() {
            return known;
        }
        let fresh = Arc::new(Snapshot { families: families.by_key.values().cloned().collect() });
        self.snapshot.store(Arc::clone(&fresh));
        fresh
    }

    pub(crate) fn registered<S: Spec>(
        &self,
        service: ServiceId,
        metric: MetricId,
    ) -> Option<Registered<S, S::Metric>> {
        S::unwrap(&self.families.read().by_key.get(&(service, metric))?.instrument).cloned()
    }

    /// One value of a metric, for tests: see [`TestMetrics`](crate::testing::TestMetrics).
    pub(crate) fn value(
        &self,
        service: ServiceId,
        metric: MetricId,
        labels: &[&str],
    ) -> Result<f64, &'static str> {
        let families = self.families.read();
        let family = families.by_key.get(&(service, metric)).ok_or("it is not registered")?;
        family.instrument.value(labels).ok_or("it has another number of labels")
    }

    fn ids(&self, kind: Kind, service: ServiceId) -> Vec<MetricId> {
        let of_service = (service, MetricId::new(0))..=(service, MetricId::new(u64::MAX));
        let families = self.families.read();
        families
            .by_key
            .range(of_service)
            .filter(|(_, family)| family.instrument.kind() == kind)
            .map(|((_, metric), _)| *metric)
            .collect()
    }

    fn ids_by_service(&self, kind: Kind) -> BTreeMap<ServiceId, Vec<MetricId>> {
        let mut ids: BTreeMap<ServiceId, Vec<MetricId>> = BTreeMap::new();
        for ((service, metric), family) in &self.families.read().by_key {
            if family.instrument.kind() == kind {
                ids.entry(*service).or_default().push(*metric);
            }
        }
        ids
    }
}

impl Families {
    /// Takes the names of a new metric, or tells who has one of them.
    fn take(&mut self, key: Key, shape: &Shape<'_>, readable: Option<&ReadableName>) -> Result<(), Error> {
        let base = readable.map_or_else(|| shape.spec.prometheus_name(), |name| name.base.clone());
        let names: Vec<String> = taken(&base, shape.kind.suffixes()).collect();
        if let Some((name, owner)) = names.iter().find_map(|name| Some((name, *self.taken.get(name)?))) {
            return Err(self.name_conflict(shape, &base, name, owner));
        }
        self.taken.extend(names.into_iter().map(|name| (name, Owner::Metric(key))));
        // Its id name stays its own in scrapes with ids.
        for name in taken(&shape.spec.prometheus_name(), shape.kind.suffixes()) {
            if let hash_map::Entry::Vacant(free) = self.taken.entry(name) {
                free.insert(Owner::Metric(key));
            }
        }
        Ok(())
    }

    fn name_conflict(&self, shape: &Shape<'_>, base: &str, name: &str, owner: Owner) -> Error {
        let owner = match owner {
            Owner::Process(base) => format!("the metric {base} of the process"),
            Owner::Metric(key) => self.by_key.get(&key).map_or_else(String::new, |family| {
                format!("{}, readable name {}", subject(&family.instrument.shape()), family.readable_base())
            }),
        };
        let message = format!(
            "{}, readable name {base}: {name} is also a name of {owner}; record another name for one of the two ids",
            subject(shape)
        );
        METRIC_NAME_CONFLICT.error(shape.spec.service).message(message).build()
    }
}

impl fmt::Debug for MetricRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricRegistry")
            .field("identity", &self.identity)
            .field("metrics", &self.families.read().by_key.len())
            .finish_non_exhaustive()
    }
}

/// Whether a spec equals the registered spec. A vector that sets no limit of series accepts any limit, so a config can
/// set it.
fn same<S: Spec>(registered: &S, wanted: &S) -> bool {
    let mut registered = registered.clone();
    if wanted.clone().max_series_mut().is_some_and(|wanted| wanted.is_none())
        && let Some(limit) = registered.max_series_mut()
    {
        *limit = None;
    }
    registered == *wanted
}

/// The spec with its help trimmed, or an error that names the metric and every broken rule.
fn checked<S: Spec>(mut spec: S, origin: Origin) -> Result<S, Error> {
    let found = problems(&spec.shape(), origin);
    if found.is_empty() {
        let help = &mut spec.spec_mut().help;
        if help.trim().len() != help.len() {
            *help = help.trim().to_owned();
        }
        return Ok(spec);
    }
    let reasons: Vec<String> = found.iter().map(ToString::to_string).collect();
    let message = format!("{}: {}", subject(&spec.shape()), reasons.join("; "));
    Err(METRIC_SPEC_INVALID.error(spec.shape().spec.service).message(message).build())
}

/// `counter op_ce1f32c680e1ef0b_84087d0f1533d4a6 of quota (ce1f32c680e1ef0b)`.
fn subject(shape: &Shape<'_>) -> String {
    format!("{} {} of {}", shape.kind, shape.spec.prometheus_name(), shape.spec.service.describe())
}

/// Like [`conflict`], if one of the two specs may be from a sealed config.
fn hidden_conflict(wanted: &Shape<'_>) -> Error {
    let message = format!("{}: already registered with another spec", subject(wanted));
    METRIC_SPEC_CONFLICT.error(wanted.spec.service).message(message).build()
}

fn conflict(registered: &Instrument, wanted: &Shape<'_>) -> Error {
    let existing = registered.shape();
    let mut differences = Vec::new();
    if existing.kind != wanted.kind {
        differences.push(format!("it is a {}", existing.kind));
    }
    if existing.spec.help != wanted.spec.help {
        differences.push(format!("its help is {:?}, not {:?}", existing.spec.help, wanted.spec.help));
    }
    if let (Some(own), Some(other)) = (existing.labels, wanted.labels)
        && own != other
    {
        differences.push(format!("its labels are {own:?}, not {other:?}"));
    }
    if let (Some(own), Some(other)) = (existing.buckets, wanted.buckets)
        && own != other
    {
        differences.push(format!("its buckets are {own:?}, not {other:?}"));
    }
    if differences.is_empty() {
        differences.push("its limit of series differs".to_owned());
    }
    let message =
        format!("{}: already registered with another spec: {}", subject(wanted), differences.join(", "));
    METRIC_SPEC_CONFLICT.error(wanted.spec.service).message(message).build()
}
