//! The level of the application, and the levels of services that have their own.
//!
//! Invariants:
//!
//! 1. A thread that logs reads one atomic threshold, and nothing else.
//! 2. Thresholds are only written with the lock held, so they agree with the layers under the lock.
//! 3. A change is a layer on top of the earlier ones. Reverting it removes only that layer, so temporary changes may end in
//!    any order. The current level is that of the top layer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use app_ids::ServiceId;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::LogLevel;

/// The most layers of one level. Beyond that, the oldest layer is dropped, and the next one can no longer be reverted.
const MAX_LAYERS: usize = 16;

/// From this number of services on, entries of services that are gone are removed.
const PRUNE_FROM: usize = 1024;

/// The lowest level that a logger writes, as a number of slog. The loggers of one service share it.
#[derive(Debug, Clone)]
pub(super) struct Threshold(Arc<AtomicU8>);

impl Threshold {
    fn new(level: LogLevel) -> Self {
        Threshold(Arc::new(AtomicU8::new(slog_number(level))))
    }

    #[inline]
    pub(super) fn admits(&self, level: slog::Level) -> bool {
        // Relaxed: a level publishes no other data, and other threads may see a change a moment later.
        slog_as_u8(level) <= self.0.load(Ordering::Relaxed)
    }

    /// A threshold that admits all records, and that no level changes.
    pub(super) fn open() -> Self {
        Self::new(LogLevel::Debug)
    }

    fn set(&self, level: LogLevel) {
        self.set_number(slog_number(level));
    }

    fn number(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set_number(&self, number: u8) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// slog counts downwards: Critical is 1, Trace 6.
const fn slog_number(level: LogLevel) -> u8 {
    match level {
        LogLevel::Debug => slog_as_u8(slog::Level::Trace),
        other => slog_as_u8(other.as_slog()),
    }
}

const fn slog_as_u8(level: slog::Level) -> u8 {
    match level {
        slog::Level::Critical => 1,
        slog::Level::Error => 2,
        slog::Level::Warning => 3,
        slog::Level::Info => 4,
        slog::Level::Debug => 5,
        slog::Level::Trace => 6,
    }
}

/// One change of a level. [`Log::revert`](super::Log::revert) reverts it; if you drop this value, the change stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelChange {
    service: Option<ServiceId>,
    layer: u64,
}

impl LevelChange {
    /// The service whose level was changed. `None` for the level of the application.
    #[must_use]
    pub fn service(&self) -> Option<ServiceId> {
        self.service
    }
}

/// A current level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelSetting {
    /// The level.
    pub level: LogLevel,
    /// When the level is reverted. `None` if it stays.
    pub until: Option<Instant>,
}

/// The current levels of an application and of its services.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelSettings {
    /// The level of the application.
    pub app: LevelSetting,
    /// The levels of services that have one of their own, sorted by id.
    pub services: Vec<(ServiceId, LevelSetting)>,
}

/// The changes of one level, the current one last. Never empty.
#[derive(Debug)]
struct Layers<L>(Vec<Layer<L>>);

#[derive(Debug)]
struct Layer<L> {
    number: u64,
    level: L,
    /// When the change is to be reverted.
    until: Option<Instant>,
}

impl<L: Copy> Layers<L> {
    fn new(level: L) -> Self {
        Layers(vec![Layer { number: 0, level, until: None }])
    }

    fn push(&mut self, number: u64, level: L) {
        if self.0.len() == MAX_LAYERS {
            self.0.remove(0);
        }
        self.0.push(Layer { number, level, until: None });
    }

    fn expire(&mut self, number: u64, at: Instant) {
        if let Some(layer) = self.0.iter_mut().find(|layer| layer.number == number) {
            layer.until = Some(at);
        }
    }

    /// Removes a layer, unless it is the only one. Returns whether it was removed.
    fn remove(&mut self, number: u64) -> bool {
        let found = self.0.iter().position(|layer| layer.number == number);
        match found {
            Some(at) if self.0.len() > 1 => {
                self.0.remove(at);
                true
            }
            _ => false,
        }
    }

    fn top(&self) -> Option<L> {
        self.0.last().map(|layer| layer.level)
    }

    fn until(&self) -> Option<Instant> {
        self.0.last().and_then(|layer| layer.until)
    }
}

#[derive(Debug)]
struct ServiceLevels {
    threshold: Threshold,
    /// `None` stands for the application's level.
    layers: Layers<Option<LogLevel>>,
}

#[derive(Debug)]
struct LevelState {
    app: Layers<LogLevel>,
    services: HashMap<ServiceId, ServiceLevels>,
    last_layer: u64,
    /// The number of services at which entries are removed again.
    prune_at: usize,
}

/// The levels of one application.
#[derive(Debug)]
pub(super) struct Levels {
    app: Threshold,
    /// The lowest level of all: that of the application or of a service.
    lowest: Threshold,
    state: Mutex<LevelState>,
}

impl Levels {
    pub(super) fn new(level: LogLevel) -> Self {
        let state = LevelState {
            app: Layers::new(level),
            services: HashMap::new(),
            last_layer: 0,
            prune_at: PRUNE_FROM,
        };
        Levels { app: Threshold::new(level), lowest: Threshold::new(level), state: Mutex::new(state) }
    }

    pub(super) fn app_threshold(&self) -> Threshold {
        self.app.clone()
    }

    pub(super) fn app_level(&self) -> LogLevel {
        self.state.lock().app_level()
    }

    /// Whether the application or any service writes records of this level.
    pub(super) fn admits_somewhere(&self, level: slog::Level) -> bool {
        self.lowest.admits(level)
    }

    pub(super) fn service_threshold(&self, id: ServiceId) -> Threshold {
        self.state.lock().service(id).threshold.clone()
    }

    pub(super) fn service_level(&self, id: ServiceId) -> LogLevel {
        let state = self.state.lock();
        let own = state.services.get(&id).and_then(|service| service.layers.top().flatten());
        own.unwrap_or_else(|| state.app_level())
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.state.lock().services.len()
    }

    pub(super) fn set_app(&self, level: LogLevel) -> LevelChange {
        let mut state = self.state.lock();
        let layer = state.next_layer();
        state.app.push(layer, level);
        self.apply(&state);
        LevelChange { service: None, layer }
    }

    pub(super) fn set_service(&self, id: ServiceId, level: Option<LogLevel>) -> LevelChange {
        let mut state = self.state.lock();
        let layer = state.next_layer();
        state.service(id).layers.push(layer, level);
        self.apply(&state);
        LevelChange { service: Some(id), layer }
    }

    pub(super) fn revert(&self, change: &LevelChange) -> bool {
        let mut state = self.state.lock();
        let removed = match change.service {
            None => state.app.remove(change.layer),
            Some(id) => {
                state.services.get_mut(&id).is_some_and(|service| service.layers.remove(change.layer))
            }
        };
        self.apply(&state);
        removed
    }

    /// Records when the caller will revert a change. This only shows it in the settings.
    pub(super) fn expire(&self, change: &LevelChange, at: Instant) {
        let mut state = self.state.lock();
        match change.service {
            None => state.app.expire(change.layer, at),
            Some(id) => {
                if let Some(service) = state.services.get_mut(&id) {
                    service.layers.expire(change.layer, at);
                }
            }
        }
    }

    /// Forgets all changes of the application's level, and sets it.
    pub(super) fn reset_app(&self, level: LogLevel) {
        let mut state = self.state.lock();
        state.app = Layers::new(level);
        self.apply(&state);
    }

    /// Forgets all changes of a service's level, and sets it.
    pub(super) fn reset_service(&self, id: ServiceId, level: Option<LogLevel>) {
        let mut state = self.state.lock();
        state.service(id).layers = Layers::new(level);
        self.apply(&state);
    }

    pub(super) fn settings(&self) -> LevelSettings {
        let state = self.state.lock();
        let own = state.services.iter().filter_map(|(id, service)| {
            let level = service.layers.top().flatten()?;
            Some((*id, LevelSetting { level, until: service.layers.until() }))
        });
        let mut services: Vec<_> = own.collect();
        services.sort_unstable_by_key(|(id, _)| *id);
        LevelSettings { app: LevelSetting { level: state.app_level(), until: state.app.until() }, services }
    }

    /// Writes the thresholds (invariant 2).
    fn apply(&self, state: &LevelState) {
        let app = state.app_level();
        self.app.set(app);
        for service in state.services.values() {
            service.threshold.set(service.layers.top().flatten().unwrap_or(app));
        }
        // slog gives lower levels higher numbers.
        let lowest = state.services.values().map(|service| service.threshold.number()).max();
        self.lowest.set_number(self.app.number().max(lowest.unwrap_or(0)));
    }
}

impl LevelState {
    fn app_level(&self) -> LogLevel {
        self.app.top().unwrap_or(LogLevel::Info)
    }

    fn next_layer(&mut self) -> u64 {
        self.last_layer += 1;
        self.last_layer
    }

    fn service(&mut self, id: ServiceId) -> &mut ServiceLevels {
        let app = self.app_level();
        if self.services.len() >= self.prune_at {
            // Services that have a logger, or a level of their own, stay. The next time is at twice their number, so that
            // the work is constant for each new service.
            self.services.retain(|_, known| {
                Arc::strong_count(&known.threshold.0) > 1
                    || known.layers.0.len() > 1
                    || known.layers.top().flatten().is_some()
            });
            self.prune_at = PRUNE_FROM.max(self.services.len() * 2);
        }
        self.services
            .entry(id)
            .or_insert_with(|| ServiceLevels { threshold: Threshold::new(app), layers: Layers::new(None) })
    }
}
