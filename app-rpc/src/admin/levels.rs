//! The interface `Levels`: log levels, for good or for a time.

use std::rc::Rc;

use app_core::prelude::*;
use app_core::{LogLevel, log::LevelSetting};
use capnp::{Error as RpcError, NotInSchema};
use parking_lot::Mutex;
use schema::admin_capnp::{self, level_setting, levels};
use tokio::time::Instant;

use super::gate::Session;
use super::text::short;
use super::{count, millis};

/// The longest time for which a level may be set.
const MAX_TIME_TO_LIVE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most levels that are set for a time at once.
const MAX_TEMPORARY: usize = 1024;

/// The most services with a level of their own. A service need not exist to have one.
const MAX_OWN_LEVELS: usize = 1024;

/// Serves `Levels`.
pub(super) struct LevelsServer {
    session: Rc<Session>,
}

impl LevelsServer {
    pub(super) fn new(session: Rc<Session>) -> Self {
        Self { session }
    }

    fn app(&self) -> &App {
        self.session.admin.app()
    }
}

/// The ends of the levels that are set for a time.
#[derive(Default)]
pub(super) struct TemporaryLevels(Mutex<Vec<Instant>>);

impl TemporaryLevels {
    /// Counts one more, if it is set for a time.
    fn add(&self, time_to_live: Option<Duration>) -> capnp::Result<()> {
        let Some(time_to_live) = time_to_live else { return Ok(()) };
        let (mut ends, now) = (self.0.lock(), Instant::now());
        ends.retain(|end| *end > now);
        if ends.len() >= MAX_TEMPORARY {
            return Err(RpcError::failed(format!(
                "{MAX_TEMPORARY} levels are already set for a time: wait until some of them have ended"
            )));
        }
        ends.push(now + time_to_live);
        Ok(())
    }
}

impl levels::Server for LevelsServer {
    async fn levels(
        self: Rc<Self>,
        _: levels::LevelsParams,
        mut results: levels::LevelsResults,
    ) -> Result<(), RpcError> {
        let settings = self.app().log().level_settings();
        let mut results = results.get();
        write(settings.app, results.reborrow().init_app());
        let mut list = results.init_services(count(settings.services.len()));
        for (place, (id, setting)) in (0..).zip(settings.services) {
            let mut entry = list.reborrow().get(place);
            entry.set_service_id(id.as_u64());
            let name = self.app().service(id).map(|service| service.name().to_owned());
            let name = name.or_else(|| id.name().map(str::to_owned)).unwrap_or_default();
            entry.set_name(short(&name));
            write(setting, entry.init_setting());
        }
        Ok(())
    }

    async fn set_app(
        self: Rc<Self>,
        params: levels::SetAppParams,
        _: levels::SetAppResults,
    ) -> Result<(), RpcError> {
        let params = params.get()?;
        let (level, time_to_live) = wanted(params.get_level(), params.get_time_to_live_millis())?;
        self.session.admin.temporary.add(time_to_live)?;
        // The timer that ends the level must outlive the endpoint, whose threads have runtimes of their own.
        let _inside = self.session.admin.runtime.enter();
        self.app().set_log_level(level, time_to_live);
        Ok(())
    }

    async fn set_service(
        self: Rc<Self>,
        params: levels::SetServiceParams,
        _: levels::SetServiceResults,
    ) -> Result<(), RpcError> {
        let params = params.get()?;
        let (level, time_to_live) = wanted(params.get_level(), params.get_time_to_live_millis())?;
        let id = ServiceId::new(params.get_service_id());
        if id.is_zero() {
            return Err(RpcError::failed(
                "serviceId is 0: use setApp for the application's level".to_owned(),
            ));
        }
        let own = self.app().log().level_settings().services;
        if own.len() >= MAX_OWN_LEVELS && !own.iter().any(|(known, _)| *known == id) {
            let full = format!("{} services already have a level of their own: reset some", own.len());
            return Err(RpcError::failed(full));
        }
        self.session.admin.temporary.add(time_to_live)?;
        let _inside = self.session.admin.runtime.enter();
        self.app().set_service_log_level(id, Some(level), time_to_live);
        Ok(())
    }

    async fn reset(
        self: Rc<Self>,
        params: levels::ResetParams,
        _: levels::ResetResults,
    ) -> Result<(), RpcError> {
        let id = ServiceId::new(params.get()?.get_service_id());
        self.app().reset_log_level((!id.is_zero()).then_some(id));
        Ok(())
    }
}

fn wanted(
    level: Result<admin_capnp::LogLevel, NotInSchema>,
    time_to_live_millis: u64,
) -> capnp::Result<(LogLevel, Option<Duration>)> {
    let level =
        level.map_err(|unknown| RpcError::failed(format!("this release has no log level {}", unknown.0)))?;
    let time_to_live = Duration::from_millis(time_to_live_millis);
    if time_to_live > MAX_TIME_TO_LIVE {
        let most = MAX_TIME_TO_LIVE.as_millis();
        return Err(RpcError::failed(format!(
            "timeToLiveMillis is {time_to_live_millis}: pass at most {most}"
        )));
    }
    Ok((from_wire(level), (!time_to_live.is_zero()).then_some(time_to_live)))
}

fn write(setting: LevelSetting, mut to: level_setting::Builder<'_>) {
    to.set_level(to_wire(setting.level));
    if let Some(until) = setting.until {
        // 0 would mean that the level never ends.
        let left = until.saturating_duration_since(Instant::now());
        to.set_expires_in_millis(millis(left).max(1));
    }
}

pub(super) fn to_wire(level: LogLevel) -> admin_capnp::LogLevel {
    match level {
        LogLevel::Debug => admin_capnp::LogLevel::Debug,
        LogLevel::Info => admin_capnp::LogLevel::Info,
        LogLevel::Warn => admin_capnp::LogLevel::Warn,
        LogLevel::Error => admin_capnp::LogLevel::Error,
    }
}

pub(super) fn from_wire(level: admin_capnp::LogLevel) -> LogLevel {
    match level {
        admin_capnp::LogLevel::Debug => LogLevel::Debug,
        admin_capnp::LogLevel::Info => LogLevel::Info,
        admin_capnp::LogLevel::Warn => LogLevel::Warn,
        admin_capnp::LogLevel::Error => LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_level_that_has_ended_makes_room_for_another() {
        let levels = TemporaryLevels::default();
        for _ in 0..MAX_TEMPORARY {
            levels.add(Some(Duration::from_secs(60))).unwrap();
        }
        levels.add(None).unwrap();
        let full = levels.add(Some(Duration::from_secs(1))).unwrap_err();
        assert!(full.extra.starts_with("1024 levels are already set for a time"), "{full}");
        tokio::time::advance(Duration::from_secs(61)).await;
        levels.add(Some(Duration::from_secs(1))).unwrap();
    }
}
