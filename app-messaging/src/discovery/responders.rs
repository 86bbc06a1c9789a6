//! The responders of this instance, with what is counted of them: the endpoints of the protocol.

use std::sync::Arc;
use std::time::Duration;

use app_core::App;
use app_core::prelude::Service;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::types::MessageInfo;
use crate::wire::subject;

/// The longest error text that is told.
const MAX_ERROR_CHARS: usize = 200;

/// The responders of an app, by their types. They are told in the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct Responders(Mutex<Vec<Arc<Responding>>>);

/// A running responder.
#[derive(Debug)]
pub(crate) struct Responding {
    info: &'static MessageInfo,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default, Clone)]
struct Counted {
    requests: u64,
    errors: u64,
    last_error: String,
    time: Duration,
}

/// Takes a responder off the list when it is dropped.
#[derive(Debug)]
pub(crate) struct Listed {
    of: Arc<Responders>,
    pub(crate) responding: Arc<Responding>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.of.0.lock().retain(|one| !Arc::ptr_eq(one, &self.responding));
    }
}

impl Responding {
    /// Counts a request: how long it takes, and whether its answer is an error.
    pub(crate) async fn count(&self, answers: impl Future<Output = Result<(), String>>) {
        let began = Instant::now();
        let answered = answers.await;
        let mut counted = self.counted.lock();
        counted.requests += 1;
        counted.time += began.elapsed();
        if let Err(error) = answered {
            counted.errors += 1;
            counted.last_error = error.chars().take(MAX_ERROR_CHARS).collect();
        }
    }
}

impl Responders {
    /// Adds a responder of this service to the list of its app.
    pub(crate) fn list(service: &Service, info: &'static MessageInfo) -> Listed {
        let of = App::of(service).kept::<Self>();
        let responding = Arc::new(Responding { info, counted: Mutex::default() });
        of.0.lock().push(Arc::clone(&responding));
        Listed { of, responding }
    }

    /// What each is.
    pub(super) fn infos(&self, app: &App) -> Vec<Value> {
        self.told(app, |_, named| named)
    }

    /// What each is, and what is counted of it.
    pub(super) fn stats(&self, app: &App) -> Vec<Value> {
        self.told(app, |responding, mut named| {
            let counted = responding.counted.lock().clone();
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let average = counted.time.checked_div(u32::try_from(counted.requests).unwrap_or(u32::MAX));
            named["num_requests"] = counted.requests.into();
            named["num_errors"] = counted.errors.into();
            named["last_error"] = counted.last_error.into();
            named["processing_time"] = nanos(counted.time).into();
            named["average_processing_time"] = nanos(average.unwrap_or_default()).into();
            named["data"] = Value::Null;
            named
        })
    }

    fn told(&self, app: &App, form: impl Fn(&Responding, Value) -> Value) -> Vec<Value> {
        let all = self.0.lock().clone();
        let named = |one: &Arc<Responding>| {
            let info = one.info;
            let told = json!({
                "name": info.name(),
                "subject": subject(app.domain(), info.of(), info.id(), None),
                "queue_group": info.of().hex(),
                "metadata": {},
            });
            form(one, told)
        };
        all.iter().map(named).collect()
    }
}
