//! The start-up graph: refuses duplicates, missing dependencies and cycles, and orders services by level.
//!
//! Invariants of a [`Plan`]:
//! 1. every service stands in exactly one level;
//! 2. everything that a service needs stands in a lower level;
//! 3. every infrastructure service that is no dependent of a plain one stands below all plain services.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use app_errors::{Error, errors};
use app_ids::ServiceId;

use crate::{ServiceDescriptor, ids::APP_SERVICE, panics};

/// The order of the start, and the dependents of each service.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    services: Vec<ServiceDescriptor>,
    index: HashMap<ServiceId, usize>,
    /// Indexes into `services`, dependencies before dependents.
    levels: Vec<Vec<usize>>,
    /// By service, those that directly need it.
    dependents: Vec<Vec<usize>>,
}

impl Plan {
    /// Orders the services.
    ///
    /// # Errors
    /// Every duplicate, every missing dependency, or one cycle with its path: each an error of its own.
    pub(crate) fn new(services: Vec<ServiceDescriptor>) -> Result<Self, Vec<Error>> {
        let index = index_by_id(&services)?;
        let needs = resolve_needs(&services, &index)?;
        let levels = levels(&needs).ok_or_else(|| vec![cycle(&services, &needs)])?;
        let mut dependents = vec![Vec::new(); services.len()];
        for (dependent, needs) in needs.iter().enumerate() {
            for need in needs {
                dependents[*need].push(dependent);
            }
        }
        Ok(Self { services, index, levels, dependents })
    }

    /// The levels in start order.
    pub(crate) fn levels(&self) -> impl DoubleEndedIterator<Item = impl Iterator<Item = &ServiceDescriptor>> {
        self.levels.iter().map(|level| level.iter().map(|i| &self.services[*i]))
    }

    pub(crate) fn services(&self) -> &[ServiceDescriptor] {
        &self.services
    }

    /// The services that these depend on, directly or not, and these.
    pub(crate) fn below(&self, is_top: impl Fn(&ServiceDescriptor) -> bool) -> HashSet<ServiceId> {
        let mut below = vec![false; self.services.len()];
        // Dependents come first, so each is known when its dependency asks.
        for service in self.levels.iter().rev().flatten() {
            let is_needed = self.dependents[*service].iter().any(|dependent| below[*dependent]);
            below[*service] = is_needed || is_top(&self.services[*service]);
        }
        self.services.iter().zip(below).filter(|(_, below)| *below).map(|(service, _)| service.id()).collect()
    }

    pub(crate) fn contains(&self, id: ServiceId) -> bool {
        self.index.contains_key(&id)
    }

    /// The place of a service in [`services`](Self::services).
    pub(crate) fn index(&self, id: ServiceId) -> Option<usize> {
        self.index.get(&id).copied()
    }

    /// The places of all services, dependencies before dependents.
    pub(crate) fn order(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.levels.iter().flatten().copied()
    }

    /// The services in start order, each with its level and all services that it directly needs.
    pub(crate) fn edges(&self) -> Vec<(ServiceId, u32, Vec<ServiceId>)> {
        let mut needs = vec![Vec::new(); self.services.len()];
        for (need, dependents) in self.dependents.iter().enumerate() {
            dependents.iter().for_each(|dependent| needs[*dependent].push(self.services[need].id()));
        }
        let levels = (0..).zip(&self.levels);
        let of_level = |(number, level): (u32, &Vec<usize>)| {
            let edges = level.iter().map(|i| (self.services[*i].id(), number, needs[*i].clone()));
            edges.collect::<Vec<_>>()
        };
        levels.flat_map(of_level).collect()
    }

    /// The places of those that directly need a service.
    pub(crate) fn dependents(&self, service: usize) -> &[usize] {
        &self.dependents[service]
    }
}

fn describe(service: &ServiceDescriptor) -> String {
    format!("{} ({})", service.name(), service.id())
}

fn index_by_id(services: &[ServiceDescriptor]) -> Result<HashMap<ServiceId, usize>, Vec<Error>> {
    let (mut index, mut problems) = (HashMap::with_capacity(services.len()), Vec::new());
    for (i, service) in services.iter().enumerate() {
        if service.id().is_zero() {
            let message =
                format!("service {} ({}): its id must not be zero", service.name(), service.origin());
            problems.push(errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(message).build());
        }
        if let Some(first) = index.insert(service.id(), i) {
            let first: &ServiceDescriptor = &services[first];
            let message = format!(
                "two services have the id {}: {} ({}) and {} ({})",
                service.id(),
                first.name(),
                first.origin(),
                service.name(),
                service.origin(),
            );
            problems.push(errors::SERVICE_ALREADY_REGISTERED.error(service.id()).message(message).build());
        }
    }
    if problems.is_empty() { Ok(index) } else { Err(problems) }
}

fn resolve_needs(
    services: &[ServiceDescriptor],
    index: &HashMap<ServiceId, usize>,
) -> Result<Vec<Vec<usize>>, Vec<Error>> {
    let mut problems = Vec::new();
    let mut needs = Vec::with_capacity(services.len());
    for service in services {
        let mut found = Vec::new();
        match needs_of(service) {
            Ok((ids, wants)) => {
                ids.into_iter().for_each(|need| match index.get(&need) {
                    Some(need) => found.push(*need),
                    None => problems.push(missing(service, need)),
                });
                found.extend(wants.iter().filter_map(|want| index.get(want)));
            }
            Err(problem) => problems.push(problem),
        }
        needs.push(found);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // Plain services rest on infrastructure: an edge to each infrastructure service that nothing plain stands below.
    let plain_below = rests_on_plain(services, &needs);
    let base: Vec<_> =
        (0..services.len()).filter(|i| services[*i].is_infrastructure() && !plain_below[*i]).collect();
    for (i, needs) in needs.iter_mut().enumerate() {
        if !services[i].is_infrastructure() {
            needs.extend(&base);
        }
        needs.sort_unstable();
        needs.dedup();
    }
    Ok(needs)
}

/// What a service needs, and what it wants if it is linked. Its parameters say so, which is code of any crate.
fn needs_of(service: &ServiceDescriptor) -> Result<(Vec<ServiceId>, Vec<ServiceId>), Error> {
    catch_unwind(AssertUnwindSafe(|| (service.needs(), service.wants()))).map_err(|panic| {
        let what = panics::message(panic.as_ref());
        let message = format!("to ask what service {} needs panicked: {what}", describe(service));
        errors::BUG.error(service.id()).message(message).build()
    })
}

/// By service, whether it is plain or needs, directly or not, a plain one.
fn rests_on_plain(services: &[ServiceDescriptor], needs: &[Vec<usize>]) -> Vec<bool> {
    let mut rests: Vec<_> = services.iter().map(|s| !s.is_infrastructure()).collect();
    loop {
        let mut changed = false;
        for i in 0..services.len() {
            if !rests[i] && needs[i].iter().any(|need| rests[*need]) {
                (rests[i], changed) = (true, true);
            }
        }
        if !changed {
            return rests;
        }
    }
}

fn missing(service: &ServiceDescriptor, need: ServiceId) -> Error {
    let message = format!(
        "service {} needs service {}, which is not linked: name the crate that provides it in main.rs (`use .. as _;`); {} is from {}",
        describe(service),
        need.describe(),
        service.name(),
        service.origin(),
    );
    errors::SERVICE_NOT_REGISTERED.error(service.id()).message(message).build()
}

/// Groups by level, or `None` when there is a cycle.
fn levels(needs: &[Vec<usize>]) -> Option<Vec<Vec<usize>>> {
    let mut waits: Vec<_> = needs.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); needs.len()];
    for (service, needs) in needs.iter().enumerate() {
        for need in needs {
            dependents[*need].push(service);
        }
    }
    let mut level: Vec<_> = (0..needs.len()).filter(|i| waits[*i] == 0).collect();
    let (mut levels, mut placed) = (Vec::new(), 0);
    while !level.is_empty() {
        placed += level.len();
        let mut next = Vec::new();
        for service in &level {
            for dependent in &dependents[*service] {
                waits[*dependent] -= 1;
                if waits[*dependent] == 0 {
                    next.push(*dependent);
                }
            }
        }
        next.sort_unstable();
        levels.push(std::mem::replace(&mut level, next));
    }
    (placed == needs.len()).then_some(levels)
}

/// Names one cycle by its path. Called only when there is one.
fn cycle(services: &[ServiceDescriptor], needs: &[Vec<usize>]) -> Error {
    let path = find_cycle(needs);
    let id = path.first().map_or(APP_SERVICE, |first| services[*first].id());
    let named: Vec<_> = path.iter().map(|i| describe(&services[*i])).collect();
    let message = format!("services need each other in a circle: {}", named.join(" -> "));
    errors::SERVICE_INIT_FAILED.error(id).message(message).build()
}

/// A path whose first and last service are the same.
///
/// Removes all services that can be placed. Each remaining service needs another remaining one, so a path along these needs
/// comes to a service twice.
fn find_cycle(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut stuck: HashSet<usize> = (0..needs.len()).collect();
    loop {
        let free: Vec<_> =
            stuck.iter().copied().filter(|i| needs[*i].iter().all(|n| !stuck.contains(n))).collect();
        if free.is_empty() {
            break;
        }
        for i in free {
            stuck.remove(&i);
        }
    }
    let mut path: Vec<usize> = stuck.iter().copied().min().into_iter().collect();
    while let Some(next) = path.last().and_then(|last| needs[*last].iter().find(|n| stuck.contains(n))) {
        if let Some(start) = path.iter().position(|p| p == next) {
            path.drain(..start);
            path.push(*next);
            break;
        }
        path.push(*next);
    }
    path
}

#[cfg(test)]
mod tests;
