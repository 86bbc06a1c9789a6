//! Who stops along with a service.

use std::collections::{BTreeMap, BTreeSet};

use super::{GraphService, ServiceGraph};

impl ServiceGraph {
    /// The service and all that depend on it, directly or not, in the order in which a restart stops them: dependents first, the
    /// service itself last. Empty if the graph has no such service.
    ///
    /// A restart starts them again in the reverse order.
    #[must_use]
    pub fn along(&self, id: &str) -> Vec<&GraphService> {
        let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for service in &self.services {
            for need in service.needs.iter().chain(&service.rests_on) {
                dependents.entry(need).or_default().push(&service.id);
            }
        }
        let (mut reached, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(dependents.get(id).into_iter().flatten());
            }
        }
        let mut along: Vec<_> =
            self.services.iter().filter(|service| reached.contains(service.id.as_str())).collect();
        along.sort_by(|a, b| (b.level, &a.name).cmp(&(a.level, &b.name)));
        along
    }
}
