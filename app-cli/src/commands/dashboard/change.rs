//! Changes that the page asks for: each is a call of the admin interface, with a reason. The app decides and records.

use app_dashboard::{Answer, Change, Changed};
use schema::admin_capnp::{LogLevel, app, levels};
use serde_json::json;
use tokio::time::Instant;

use super::ask::answer;
use crate::answers::{CheckResult, Config, parse_level, texts};
use crate::connect::{Effect, Session};
use crate::failure::{Failure, Status};

/// Makes a change.
pub(super) async fn make(session: &Session, change: Change, deadline: Instant) -> Answer {
    let Change { what, reason } = change;
    let call = Call { session, deadline, reason };
    match what {
        Changed::Restart { service } => call.restart(service).await,
        Changed::RunCheck { check } => call.run_check(check).await,
        Changed::PauseCheck { check } => call.set_paused(check, true).await,
        Changed::ResumeCheck { check } => call.set_paused(check, false).await,
        Changed::SetLevel { service, level, for_millis } => match parse_level(&level) {
            Ok(level) => call.set_level(service, level, for_millis).await,
            Err(why) => answer::<()>(Err(Failure::new(Status::Usage, format!("level: {why}")))),
        },
        Changed::ResetLevel { service } => call.reset_level(service).await,
        Changed::Reload {} => call.reload().await,
        Changed::Stop { drain_millis } => call.stop(drain_millis).await,
    }
}

struct Call<'a> {
    session: &'a Session,
    deadline: Instant,
    reason: String,
}

impl Call<'_> {
    async fn change<T, F, Fut>(self, call: F) -> Result<T, Failure>
    where
        F: Fn(app::Client, String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = capnp::Result<T>> + 'static,
        T: Send + 'static,
    {
        let reason = self.reason;
        self.session.call_by(self.deadline, Effect::Changes, move |app| call(app, reason.clone())).await
    }

    async fn restart(self, service: u64) -> Answer {
        let notes = self.change(move |app, reason| async move {
            let mut request = app.restart_request();
            request.get().set_service_id(service);
            request.get().set_reason(&reason);
            texts(request.send().promise.await?.get()?.get_notes())
        });
        answer(notes.await.map(|notes| json!({ "restart": "decided", "notes": notes })))
    }

    async fn run_check(self, check: u64) -> Answer {
        let result = self.change(move |app, reason| async move {
            let mut request = app.health_request().send().pipeline.get_health().run_request();
            request.get().set_id(check);
            request.get().set_reason(&reason);
            CheckResult::of(request.send().promise.await?.get()?.get_result()?)
        });
        answer(result.await)
    }

    async fn set_paused(self, check: u64, pause: bool) -> Answer {
        let changed = self.change(move |app, reason| async move {
            let health = app.health_request().send().pipeline.get_health();
            if pause {
                let mut request = health.pause_request();
                request.get().set_id(check);
                request.get().set_reason(&reason);
                Ok(request.send().promise.await?.get()?.get_paused())
            } else {
                let mut request = health.resume_request();
                request.get().set_id(check);
                request.get().set_reason(&reason);
                Ok(request.send().promise.await?.get()?.get_resumed())
            }
        });
        answer(changed.await.map(|changed| json!({ "paused": pause, "changed": changed })))
    }

    async fn set_level(self, service: Option<u64>, level: LogLevel, for_millis: u64) -> Answer {
        let set = self.change(move |app, reason| async move {
            let levels: levels::Client = app.levels_request().send().pipeline.get_levels();
            if let Some(service) = service {
                let mut request = levels.set_service_request();
                let mut params = request.get();
                params.set_service_id(service);
                params.set_level(level);
                params.set_time_to_live_millis(for_millis);
                params.set_reason(&reason);
                request.send().promise.await.map(|_| ())
            } else {
                let mut request = levels.set_app_request();
                let mut params = request.get();
                params.set_level(level);
                params.set_time_to_live_millis(for_millis);
                params.set_reason(&reason);
                request.send().promise.await.map(|_| ())
            }
        });
        answer(set.await.map(|()| json!({})))
    }

    async fn reset_level(self, service: Option<u64>) -> Answer {
        let reset = self.change(move |app, reason| async move {
            let mut request = app.levels_request().send().pipeline.get_levels().reset_request();
            request.get().set_service_id(service.unwrap_or(0));
            request.get().set_reason(&reason);
            request.send().promise.await.map(|_| ())
        });
        answer(reset.await.map(|()| json!({})))
    }

    async fn reload(self) -> Answer {
        let configs = self.change(|app, reason| async move {
            let mut request = app.reload_request();
            request.get().set_reason(&reason);
            Config::all(request.send().promise.await?.get()?.get_configs()?)
        });
        let configs = configs.await.map(|configs| {
            let notes: Vec<_> = configs
                .iter()
                .filter_map(|config| {
                    config.problem.as_ref().map(|problem| format!("{}: {problem}", config.name))
                })
                .collect();
            json!({ "configs": configs, "notes": notes })
        });
        answer(configs)
    }

    async fn stop(self, drain_millis: Option<u32>) -> Answer {
        let stopped = self.change(move |app, reason| async move {
            let mut request = app.end_request();
            let mut params = request.get();
            params.set_reason(&reason);
            if let Some(millis) = drain_millis {
                params.set_use_drain_delay(true);
                params.set_drain_delay_millis(millis);
            }
            request.send().promise.await.map(|_| ())
        });
        answer(stopped.await.map(|()| json!({})))
    }
}
