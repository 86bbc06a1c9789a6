//! An admin interface with fixed answers that contain malicious text.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use app_rpc::Role;
use capnp::Error;
use schema::admin_capnp::{
    HealthStatus, LogLevel, MetricsFormat, ServiceState, app, event_stream, health, health_check,
    health_result, levels, runtime, text_reader,
};
use tokio::sync::Notify;

/// Characters that must not reach a terminal.
pub(crate) const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;pwned\u{7}\u{202e}\nforged line";

/// Message of the event that the app stops.
pub(crate) const STOPPING: &str = "the app stops";

/// Time of all events: 2026-01-01.
pub(crate) const THEN: i64 = 1_767_225_600_000;

/// State shared by the app and the test.
#[derive(Default)]
pub(crate) struct Fake {
    /// Calls that change something: the method and its parameters.
    pub(crate) calls: Mutex<Vec<String>>,
    /// Batches of events: the messages, and the number of missed events before the last one.
    pub(crate) events: Mutex<VecDeque<(Vec<String>, u64)>>,
    /// Notified about more events or the end.
    pub(crate) more: Notify,
    /// Whether no more events follow.
    pub(crate) over: AtomicBool,
    /// Whether the app stops after the next event. It answers calls that wait for events by then, and no later ones.
    pub(crate) stops: AtomicBool,
    pub(crate) happened: AtomicBool,
    /// Calls for events that wait for an answer.
    pub(crate) waiting: AtomicUsize,
    /// Makes the app answer these calls in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    /// Whether the app answers no call.
    pub(crate) silent: AtomicBool,
    pub(crate) not_ready: AtomicBool,
    /// Whether the app is of a release that did not list its endpoints.
    pub(crate) is_old: AtomicBool,
    /// The note of a restart, if any.
    pub(crate) note_on_restart: Mutex<Option<String>>,
    pub(crate) streams: AtomicU64,
}

/// The capability of one client.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) fake: Arc<Fake>,
    pub(crate) role: Role,
}

impl App {
    fn needs(&self, role: Role, method: &str) -> Result<(), Error> {
        if self.role >= role {
            return Ok(());
        }
        let message = format!("denied: {method} needs the role {role}, and this client has {}", self.role);
        Err(Error::failed(message))
    }
}

impl app::Server for App {
    async fn identity(
        self: Rc<Self>,
        _: app::IdentityParams,
        mut results: app::IdentityResults,
    ) -> Result<(), Error> {
        if self.fake.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let mut identity = results.get().init_identity();
        identity.set_domain_id(0xd0);
        identity.set_app_id(0xa0);
        identity.set_release_id(0x7e1e_a5e0_0000_0001);
        identity.set_instance_id("1a57");
        identity.set_name(format!("quota-app{HOSTILE}"));
        identity.set_version("1.2.3");
        identity.set_platform_version("0.1.0");
        identity.set_host("machine");
        identity.set_pid(4711);
        identity.set_started_on_millis(THEN);
        identity.set_uptime_millis(93_784_000);
        Ok(())
    }

    /// The fake app has no endpoints, or is too old to tell.
    async fn rpc_service_ids(
        self: Rc<Self>,
        _: app::RpcServiceIdsParams,
        mut results: app::RpcServiceIdsResults,
    ) -> Result<(), Error> {
        if self.fake.is_old.load(Ordering::SeqCst) {
            return Err(Error::unimplemented("no such method".to_owned()));
        }
        results.get().init_service_ids(0);
        Ok(())
    }

    async fn readiness(
        self: Rc<Self>,
        _: app::ReadinessParams,
        mut results: app::ReadinessResults,
    ) -> Result<(), Error> {
        let not_ready = self.fake.not_ready.load(Ordering::SeqCst);
        results.get().set_ready(!not_ready);
        if not_ready {
            results.get().init_reasons(1).set(0, format!("service mail failed{HOSTILE}"));
        }
        Ok(())
    }

    async fn service_infos(
        self: Rc<Self>,
        _: app::ServiceInfosParams,
        mut results: app::ServiceInfosResults,
    ) -> Result<(), Error> {
        let mut list = results.get().init_services(4);
        let all = [
            (0xce1f, "quota", ServiceState::Running),
            (0xbeef, "mail", ServiceState::Failed),
            (0x10, "twin", ServiceState::Running),
            (0x11, "twin", ServiceState::Starting),
        ];
        for (index, (id, name, state)) in (0..).zip(all) {
            let mut info = list.reborrow().get(index);
            info.set_service_id(id);
            info.set_name(name);
            info.set_state(state);
            info.set_level(LogLevel::Info);
            info.set_tasks(3);
            if state == ServiceState::Running {
                info.set_uptime_millis(93_000_000);
                info.init_needs(1).set(0, 0xbeef);
            } else {
                info.set_reason(format!("no route{HOSTILE}"));
                info.set_restarts(2);
                info.set_deaths(3);
                info.set_last_failure(format!("no route{HOSTILE}"));
                info.set_last_failure_on_millis(THEN);
            }
        }
        Ok(())
    }

    async fn restart(
        self: Rc<Self>,
        params: app::RestartParams,
        mut results: app::RestartResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "App.restart")?;
        let params = params.get()?;
        self.fake.note(format!("restart {:#x}: {}", params.get_service_id(), params.get_reason()?.to_str()?));
        if let Some(note) = &*self.fake.note_on_restart.lock().unwrap() {
            results.get().init_notes(1).set(0, note);
        }
        Ok(())
    }

    async fn health(
        self: Rc<Self>,
        _: app::HealthParams,
        mut results: app::HealthResults,
    ) -> Result<(), Error> {
        results.get().set_health(capnp_rpc::new_client((*self).clone()));
        Ok(())
    }

    async fn levels(
        self: Rc<Self>,
        _: app::LevelsParams,
        mut results: app::LevelsResults,
    ) -> Result<(), Error> {
        results.get().set_levels(capnp_rpc::new_client((*self).clone()));
        Ok(())
    }

    async fn runtime(
        self: Rc<Self>,
        _: app::RuntimeParams,
        mut results: app::RuntimeResults,
    ) -> Result<(), Error> {
        results.get().set_runtime(capnp_rpc::new_client((*self).clone()));
        Ok(())
    }

    async fn metrics(
        self: Rc<Self>,
        params: app::MetricsParams,
        mut results: app::MetricsResults,
    ) -> Result<(), Error> {
        let end = if params.get()?.get_format()? == MetricsFormat::OpenMetrics { "# EOF\n" } else { "" };
        let text = format!(
            "# HELP op_1_2 Permits ß.\n# TYPE op_1_2 counter\nop_1_2{{rule=\"a\u{1b}b\"}} 1\n# HELP up Up.\nup 1\n{end}"
        );
        // A piece may end in the middle of a character.
        let pieces = text.as_bytes().chunks(7).map(<[u8]>::to_vec).collect::<VecDeque<_>>();
        results.get().set_text(capnp_rpc::new_client(Pieces(pieces.into())));
        Ok(())
    }

    async fn events(
        self: Rc<Self>,
        _: app::EventsParams,
        mut results: app::EventsResults,
    ) -> Result<(), Error> {
        self.fake.streams.fetch_add(1, Ordering::SeqCst);
        results.get().set_events(capnp_rpc::new_client((*self).clone()));
        Ok(())
    }

    async fn reload(
        self: Rc<Self>,
        params: app::ReloadParams,
        mut results: app::ReloadResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "App.reload")?;
        let reason = params.get()?.get_reason()?.to_str()?;
        self.fake.note(format!("reload: {reason}"));
        crate::fake_configs::write(results.get().init_configs(2), reason.contains("bad"));
        Ok(())
    }

    async fn configs(
        self: Rc<Self>,
        _: app::ConfigsParams,
        mut results: app::ConfigsResults,
    ) -> Result<(), Error> {
        results.get().set_configs(capnp_rpc::new_client((*self).clone()));
        Ok(())
    }

    async fn end(self: Rc<Self>, params: app::EndParams, _: app::EndResults) -> Result<(), Error> {
        self.needs(Role::Admin, "App.end")?;
        let params = params.get()?;
        let delay = params.get_use_drain_delay().then(|| params.get_drain_delay_millis());
        self.fake.note(format!("end after {delay:?}: {}", params.get_reason()?.to_str()?));
        Ok(())
    }
}

/// A text that clients read in pieces.
struct Pieces(std::cell::RefCell<VecDeque<Vec<u8>>>);

impl text_reader::Server for Pieces {
    async fn read(
        self: Rc<Self>,
        _: text_reader::ReadParams,
        mut results: text_reader::ReadResults,
    ) -> Result<(), Error> {
        let mut pieces = self.0.borrow_mut();
        results.get().set_piece(&pieces.pop_front().unwrap_or_default());
        results.get().set_end(pieces.is_empty());
        Ok(())
    }
}

impl runtime::Server for App {
    async fn stack_dump(
        self: Rc<Self>,
        _: runtime::StackDumpParams,
        mut results: runtime::StackDumpResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Runtime.stackDump")?;
        let text = "thread \"main\u{1b}[31m\"\n   0: park\n";
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        results.get().set_stack_dump(&packed.finish().unwrap());
        Ok(())
    }
}

/// Counts a call until it is answered or dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl event_stream::Server for App {
    async fn next(
        self: Rc<Self>,
        _: event_stream::NextParams,
        mut results: event_stream::NextResults,
    ) -> Result<(), Error> {
        let stops = self.fake.stops.load(Ordering::SeqCst);
        if stops && self.fake.happened.load(Ordering::SeqCst) {
            return Err(Error::disconnected("the server stops".to_owned()));
        }
        let _waiting = Waiting::of(&self.fake.waiting);
        let _turn = self.fake.turn.lock().await;
        let wait = if stops { Duration::MAX } else { Duration::from_millis(200) };
        let batch = loop {
            let more = self.fake.more.notified();
            if let Some(batch) = self.fake.events.lock().unwrap().pop_front() {
                break Some(batch);
            }
            if self.fake.over.load(Ordering::SeqCst) {
                break None;
            }
            if tokio::time::timeout(wait, more).await.is_err() {
                break None;
            }
        };
        let mut results = results.get();
        let Some((messages, missed)) = batch else {
            results.set_end(self.fake.over.load(Ordering::SeqCst));
            return Ok(());
        };
        results.set_missed(missed);
        let mut list = results.init_events(u32::try_from(messages.len()).unwrap());
        for (index, message) in (0..).zip(&messages) {
            let mut event = list.reborrow().get(index);
            event.set_at_millis(THEN);
            event.set_kind("service_started");
            event.set_event_id(0xe0);
            if message == STOPPING {
                event.set_event_id(app_core::events::APP_STOPPING.as_u64());
            }
            event.set_service_id(0xce1f);
            event.set_service_name("quota");
            event.set_message(message);
        }
        Ok(())
    }
}

fn fill(mut result: health_result::Builder<'_>, error: &str) {
    result.set_started_on_millis(THEN);
    result.set_duration_nanos(1_500_000);
    result.set_error(error);
    result.set_failures(u32::from(!error.is_empty()));
    result.set_outcome(if error.is_empty() { "passed" } else { "failed" });
}

fn fill_check(mut check: health_check::Builder<'_>, id: u64) {
    check.set_id(id);
    check.set_interval_millis(300_000);
    check.set_timeout_millis(5_000);
    check.set_failure_threshold(1);
    check.set_success_threshold(1);
    if id == 0x8d {
        check.set_name("loop");
        check.set_critical(true);
        check.set_status(HealthStatus::Healthy);
        check.set_has_result(true);
        check.init_groups(1).set(0, "readiness");
    } else {
        check.set_name("disk");
        check.set_status(HealthStatus::Unhealthy);
        check.set_problem(format!("failed: full{HOSTILE}"));
    }
}

impl health::Server for App {
    async fn checks(
        self: Rc<Self>,
        _: health::ChecksParams,
        mut results: health::ChecksResults,
    ) -> Result<(), Error> {
        let mut list = results.get().init_checks(2);
        fill_check(list.reborrow().get(0), 0x8d);
        fill_check(list.get(1), 0x8e);
        Ok(())
    }

    async fn check(
        self: Rc<Self>,
        params: health::CheckParams,
        mut results: health::CheckResults,
    ) -> Result<(), Error> {
        fill_check(results.get().init_check(), params.get()?.get_id());
        let mut history = results.get().init_history(2);
        fill(history.reborrow().get(0), &format!("full{HOSTILE}"));
        fill(history.get(1), "");
        let mut transition = results.get().init_transitions(1).get(0);
        transition.set_from(HealthStatus::Unknown);
        transition.set_to(HealthStatus::Unhealthy);
        transition.set_at_millis(THEN);
        transition.set_error("full");
        Ok(())
    }

    async fn run(
        self: Rc<Self>,
        params: health::RunParams,
        mut results: health::RunResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Health.run")?;
        let params = params.get()?;
        let id = params.get_id();
        self.fake.note(format!("run {id:#x}: {}", params.get_reason()?.to_str()?));
        if self.fake.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let error = if id == 0x8d { String::new() } else { format!("full{HOSTILE}") };
        fill(results.get().init_result(), &error);
        Ok(())
    }

    async fn pause(
        self: Rc<Self>,
        params: health::PauseParams,
        mut results: health::PauseResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Health.pause")?;
        let params = params.get()?;
        self.fake.note(format!("pause {:#x}: {}", params.get_id(), params.get_reason()?.to_str()?));
        results.get().set_paused(true);
        Ok(())
    }

    async fn resume(
        self: Rc<Self>,
        params: health::ResumeParams,
        mut results: health::ResumeResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Health.resume")?;
        let params = params.get()?;
        self.fake.note(format!("resume {:#x}: {}", params.get_id(), params.get_reason()?.to_str()?));
        results.get().set_resumed(false);
        Ok(())
    }
}

impl levels::Server for App {
    async fn levels(
        self: Rc<Self>,
        _: levels::LevelsParams,
        mut results: levels::LevelsResults,
    ) -> Result<(), Error> {
        let mut app = results.get().init_app();
        app.set_level(LogLevel::Debug);
        app.set_expires_in_millis(9_500);
        let mut services = results.get().init_services(1);
        let mut of_service = services.reborrow().get(0);
        of_service.set_service_id(0xbeef);
        of_service.set_name("mail");
        of_service.init_setting().set_level(LogLevel::Error);
        Ok(())
    }

    async fn set_app(
        self: Rc<Self>,
        params: levels::SetAppParams,
        _: levels::SetAppResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Levels.setApp")?;
        let params = params.get()?;
        let (level, time) = (params.get_level()?, params.get_time_to_live_millis());
        self.fake.note(format!("set app {level:?} for {time}: {}", params.get_reason()?.to_str()?));
        Ok(())
    }

    async fn set_service(
        self: Rc<Self>,
        params: levels::SetServiceParams,
        _: levels::SetServiceResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Levels.setService")?;
        let params = params.get()?;
        let (id, level, time) =
            (params.get_service_id(), params.get_level()?, params.get_time_to_live_millis());
        self.fake.note(format!("set {id:#x} {level:?} for {time}: {}", params.get_reason()?.to_str()?));
        Ok(())
    }

    async fn reset(
        self: Rc<Self>,
        params: levels::ResetParams,
        _: levels::ResetResults,
    ) -> Result<(), Error> {
        self.needs(Role::Operate, "Levels.reset")?;
        let params = params.get()?;
        self.fake.note(format!("reset {:#x}: {}", params.get_service_id(), params.get_reason()?.to_str()?));
        Ok(())
    }
}
