//! Apps that answer what a test wants, with a server of the dashboard in this process.

use std::sync::Arc;

use app_core::{prelude::ServiceId, testing::TestApp};
use app_dashboard::{Answer, AppLink, Apps, Asked, Bound, Instance, Problem, Question, loopback};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::Instant};

/// What the app answers.
pub(crate) type Answering = dyn Fn(&Question) -> Answer + Send + Sync;

/// A server with one app.
pub(crate) struct Served {
    pub(crate) url: String,
    _app: TestApp,
    _runtime: Runtime,
}

#[derive(Clone)]
struct OneApp {
    list: Arc<dyn Fn() -> Vec<Instance> + Send + Sync>,
    answering: Arc<Answering>,
}

impl Apps for OneApp {
    fn list(&self) -> Asked<'_, Result<Vec<Instance>, Problem>> {
        let list = (self.list)();
        Box::pin(async { Ok(list) })
    }

    fn connect<'a>(&'a self, _: &'a Instance, _: Instant) -> Asked<'a, Result<Arc<dyn AppLink>, Problem>> {
        Box::pin(async {
            // An app that is not reached refuses the connection too.
            (self.answering)(&Question::Readiness)?;
            Ok(Arc::new(self.clone()) as Arc<dyn AppLink>)
        })
    }
}

impl AppLink for OneApp {
    fn is_connected(&self) -> bool {
        true
    }

    fn ask(&self, question: Question, _: Instant) -> Asked<'_, Answer> {
        Box::pin(async move { (self.answering)(&question) })
    }

    fn close(&self) -> Asked<'_, ()> {
        Box::pin(async {})
    }
}

/// Serves an app that is listed as `list` says, and answers as `answering` says.
pub(crate) fn serve(
    list: impl Fn() -> Vec<Instance> + Send + Sync + 'static,
    answering: impl Fn(&Question) -> Answer + Send + Sync + 'static,
) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let apps = Arc::new(OneApp { list: Arc::new(list), answering: Arc::new(answering) });
    let (url, app) = runtime.block_on(async {
        let app = TestApp::empty().await;
        let service = app.new_service(ServiceId::new(7), "dashboard");
        let bound = Bound::to(loopback("127.0.0.1:0").unwrap()).await.unwrap();
        let url = bound.url(&bound.tokens().renew().unwrap());
        let serving = service.clone();
        service.spawn("serves", async move { bound.serve(&serving, apps).await }).unwrap();
        (url, app)
    });
    Served { url, _app: app, _runtime: runtime }
}

/// The instance of an app.
pub(crate) fn instance(key: &str) -> Instance {
    Instance { key: key.to_owned(), context: key.to_owned(), address: "host:1".to_owned() }
}

/// An operation as it is listed.
pub(crate) fn operation(service: &str, name: &str, effect: &str) -> Value {
    json!({
        "service": "0x0", "service_name": service, "name": name, "about": "About.", "role": "read", "effect": effect,
        "may_call": true,
    })
}

/// The usual answers of the app "shop", which has one service.
pub(crate) fn usual(question: &Question) -> Value {
    match question {
        Question::Identity => {
            json!({ "name": "shop", "version": "1", "instance": "0x1", "host": "h", "pid": 7 })
        }
        Question::Readiness => json!({ "ready": true, "reasons": [], "notes": [], "ends": [] }),
        Question::Services => json!({ "services": [
            { "id": "0x10", "name": "orders", "state": "running", "needs": [], "restarts": 0, "tasks": 1, "level": "info" },
        ] }),
        Question::Checks => json!({ "checks": [{ "id": "0x20", "name": "stock", "status": "healthy" }] }),
        Question::Configs => json!({ "configs": [] }),
        Question::Levels => json!({ "app": { "level": "info" }, "services": [] }),
        Question::Metrics => json!({ "text": "" }),
        Question::Operations => json!({ "operations": [
            operation("app", "whoami", "reads"), operation("app", "logs", "reads"), operation("config", "show", "reads"),
        ] }),
        Question::Call(call) if call.name == "whoami" => json!({ "names": ["me"], "role": "operate" }),
        _ => json!({}),
    }
}
