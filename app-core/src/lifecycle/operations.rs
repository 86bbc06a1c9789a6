//! The operations of an app: which there are, what is wrong with a call, and its run as a task of the service.
//!
//! Invariants:
//! 1. A function is called after its arguments were checked, and only while its service runs.
//! 2. A run is a task of the incarnation that ran when the call came. It ends with that incarnation. A run of an
//!    operation of the app has half a second more, for a last page of what it shows of the stop.
//! 3. Whatever the function does, its call has an answer by its deadline, and the service lives on.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use app_errors::{Error, errors, illegal_argument_error};
use app_ids::ServiceId;
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Map, Value};
use slog::error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use zeroize::Zeroize;

use super::Descriptors;
use crate::{
    App, Service, ServiceState, StartContext,
    ids::APP_SERVICE,
    operations::{
        Answers, Effect, Entered, JobOf, JobState, Jobs, MAX_DEADLINE, MAX_REASON_BYTES, OperationAnswer,
        OperationCall, OperationInfo, OperationRun, OperationSchemas, Waiter, check_arguments, hide_secrets,
        secret_texts, unknown_field,
    },
    panics,
    plugins::{LinkedOperation, Mistake, OperationContext, StartHistory, linked_operations},
    service::{APP_NAME, Host, Operator},
    show_duration,
};

/// The most calls at a time that only read. A long poll is one for its whole time.
const MOST_READS: usize = 256;

/// The most other calls at a time.
const MOST_CHANGES: usize = 64;

/// How long a call with a request id goes on without its caller.
const LINGERS: Duration = Duration::from_secs(2);

/// How much later than its deadline a caller gives up. The run has the same deadline and knows more.
const GRACE: Duration = Duration::from_millis(100);

/// How long a call of an operation of the app goes on once the app stops: longer than a page of events or of the log waits then.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// The room for calls.
struct Room {
    reads: Arc<Semaphore>,
    changes: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self { reads: Arc::new(Semaphore::new(MOST_READS)), changes: Arc::new(Semaphore::new(MOST_CHANGES)) }
    }
}

impl Operator for Descriptors {
    fn list(&self, host: &Arc<Host>) -> Vec<OperationInfo> {
        let named = |operation: &LinkedOperation| Some(operation.info(&name_of(host, operation.service())?));
        linked_operations().iter().filter_map(named).collect()
    }

    fn find(&self, host: &Arc<Host>, service: ServiceId, name: &str) -> Result<OperationInfo, Error> {
        find(host, service, name).map(|(_, info)| info)
    }

    fn describe(&self, host: &Arc<Host>, service: ServiceId, name: &str) -> Result<OperationSchemas, Error> {
        let (operation, info) = find(host, service, name)?;
        let arguments = operation.schemas().arguments.clone();
        // The type's own code may panic.
        let results = panics::catch_panic(|| operation.result_schema()).map_err(|panicked| {
            let message =
                format!("making the schema of the results of {name:?} panicked: {}", panicked.message);
            errors::BUG.error(service).message(message).build()
        })?;
        Ok(OperationSchemas::new(info, arguments, results))
    }

    fn show(
        &self,
        host: &Arc<Host>,
        service: ServiceId,
        name: &str,
        arguments: &Value,
    ) -> Result<Value, Error> {
        let (operation, _) = find(host, service, name)?;
        Ok(hide_secrets(&operation.schemas().arguments, arguments))
    }

    fn check(&self, host: &Arc<Host>, call: &OperationCall) -> Result<(), Error> {
        let (operation, info) = find(host, call.service, &call.name)?;
        check(operation, &info, call)
    }

    fn call(&self, host: Arc<Host>, call: OperationCall) -> BoxFuture<'static, OperationAnswer> {
        run(host, call).boxed()
    }
}

/// The name of a service of the app. `None` if the app has no such service.
fn name_of(host: &Arc<Host>, id: ServiceId) -> Option<String> {
    if id == APP_SERVICE {
        return Some(APP_NAME.to_owned());
    }
    let spec = host.settings.services.iter().find(|spec| spec.id() == id);
    let named = spec.map(|spec| spec.name().to_owned());
    named.or_else(|| host.registry.service(id).map(|service| service.name().to_owned()))
}

fn find(
    host: &Arc<Host>,
    service: ServiceId,
    name: &str,
) -> Result<(&'static LinkedOperation, OperationInfo), Error> {
    let Some(service_name) = name_of(host, service) else {
        let message = format!("there is no service {service:#x}; list the operations to see which there are");
        return Err(illegal_argument_error(message));
    };
    let mut of_service = linked_operations().iter().filter(|operation| operation.service() == service);
    if let Some(operation) = of_service.clone().find(|operation| operation.name() == name) {
        return Ok((operation, operation.info(&service_name)));
    }
    let short: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    let near = of_service.clone().find(|operation| strsim::osa_distance(operation.name(), &short) <= 2);
    let all: Vec<_> = of_service.by_ref().map(|operation| operation.name()).collect();
    let instead = match near {
        _ if all.is_empty() => "it has none".to_owned(),
        Some(near) => format!("did you mean {}?", near.name()),
        None => format!("it has {}", all.join(", ")),
    };
    let message = format!("service {service_name} has no operation {short:?}; {instead}");
    Err(errors::ILLEGAL_ARGUMENT.error(service).message(message).build())
}

/// Finds what is wrong with a call: the cheap checks first.
fn check(operation: &LinkedOperation, info: &OperationInfo, call: &OperationCall) -> Result<(), Error> {
    let refused =
        |message: String| Err(errors::ILLEGAL_ARGUMENT.error(call.service).message(message).build());
    let OperationInfo { service_name, name, .. } = info;
    if call.caller.role < operation.role() {
        return refused(format!(
            "denied: the operation {name} of {service_name} needs the role {}, and this caller has the role {}",
            operation.role(),
            call.caller.role
        ));
    }
    let reason = &call.caller.reason;
    if reason.len() > MAX_REASON_BYTES {
        return refused(format!("reason: has {} bytes; give at most {MAX_REASON_BYTES}", reason.len()));
    }
    if operation.effect() > Effect::Reads && reason.trim().is_empty() {
        return refused(format!("reason: missing; {service_name} {name} needs a reason, for the log"));
    }
    if operation.effect() == Effect::Destroys && !call.confirmed {
        return refused(format!(
            "confirmed: missing; {service_name} {name} destroys something, so confirm it (appctl do: --yes)"
        ));
    }
    if let Some(wrong) = call.wrong_request_id() {
        return refused(wrong);
    }
    if call.deadline.is_zero() || call.deadline > MAX_DEADLINE {
        let (deadline, most) = (show_duration(call.deadline), show_duration(MAX_DEADLINE));
        return refused(format!("deadline: is {deadline}; give more than 0 and at most {most}"));
    }
    arguments(operation, &call.arguments).or_else(refused)
}

/// Finds what is wrong with arguments: their bounds, unknown fields, then their types.
fn arguments(operation: &LinkedOperation, given: &Value) -> Result<(), String> {
    check_arguments(given)?;
    let none = Value::Object(Map::new());
    let given = if given.is_null() { &none } else { given };
    if !given.is_object() {
        return Err("arguments: are no object; give an object with the arguments as fields".to_owned());
    }
    let schemas = operation.schemas();
    if let Some(unknown) = unknown_field(&schemas.arguments, given) {
        return Err(unknown);
    }
    let function = operation.function();
    let Some(of) = function.arguments().first().copied() else { return Ok(()) };
    // The type's own code may panic.
    let read = panics::catch_panic(|| (of.check)(given));
    let Err(Mistake { path, message }) = read.unwrap_or_else(|panicked| {
        Err(Mistake { path: String::new(), message: format!("reading them panicked: {}", panicked.message) })
    }) else {
        return Ok(());
    };
    let mut secrets = if schemas.has_secrets { secret_texts(&schemas.arguments, given) } else { Vec::new() };
    let tells = secrets.iter().any(|secret| !secret.is_empty() && message.contains(secret.as_str()));
    secrets.iter_mut().for_each(Zeroize::zeroize);
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    Err(match missing {
        Some(field) => format!("arguments{path}.{field}: missing field; the operation needs it"),
        None if tells => format!("arguments{path}: a secret has a wrong type or value"),
        None => format!("arguments{path}: {}", shortened(message)),
    })
}

/// An error text may quote a value from outside.
fn shortened(mut text: String) -> String {
    const MOST: usize = 400;
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    app_errors::one_line(&text).to_string()
}

async fn run(host: Arc<Host>, mut call: OperationCall) -> OperationAnswer {
    let (operation, info) = find(&host, call.service, &call.name)?;
    check(operation, &info, &call)?;
    if call.arguments.is_null() {
        call.arguments = Value::Object(Map::new());
    }
    let what = format!("{} {}", info.service_name, info.name);
    let (deadline, id) = (call.deadline, call.request_id.clone());
    let lingers = if id.is_some() && operation.effect() > Effect::Reads { LINGERS } else { Duration::ZERO };
    let run = OperationRun::new(lingers);
    // Before the run begins, since a run without callers ends.
    let first = Waiter::new(&run);
    let answers = host.kept.get::<Answers>();
    let entered = id.as_deref().map_or(Entered::First, |id| answers.enter(&call, id, &run));
    let waiter = match entered {
        Entered::First => {
            let names = call.caller.names.clone();
            if let Err(refused) = start(&host, operation, info, call, &run) {
                run.end(Err(refused.clone()));
                if let Some(id) = id {
                    answers.leave(&names, &id);
                }
                return Err(refused);
            }
            first
        }
        Entered::Again(run) => Waiter::new(&run),
        Entered::Other => {
            let message = "requestId: belongs to another call of this caller; use a new one for each call";
            return Err(illegal_argument_error(message));
        }
    };
    let by = Instant::now() + deadline + GRACE;
    waiter.answer(by).await.unwrap_or_else(|| Err(late(&what, deadline, ": its thread is blocked")))
}

fn late(what: &str, deadline: Duration, why: &str) -> Error {
    let message = format!(
        "{what} did not end within {}{why}; it was cancelled, and may have done a part of its work",
        show_duration(deadline)
    );
    errors::SERVICE_NOT_AVAILABLE.error(APP_SERVICE).message(message).build()
}

/// Starts a run as a task of the service.
fn start(
    host: &Arc<Host>,
    operation: &'static LinkedOperation,
    info: OperationInfo,
    call: OperationCall,
    run: &Arc<OperationRun>,
) -> Result<(), Error> {
    let service = running(host, &info)?;
    let permit = permit(host, operation.effect(), &info)?;
    let OperationCall { arguments, caller, deadline, .. } = call;
    let context = StartContext::new(service.clone(), StartHistory::default());
    let wipes = operation.schemas().has_secrets;
    let of_task =
        OperationTask { service: service.clone(), what: format!("{} {}", info.service_name, info.name) };
    if operation.is_job() {
        let begun = host.kept.get::<Jobs>().begin(info, caller.clone());
        let job = begun.map_err(|full| unavailable(service.id(), full))?;
        let context = OperationContext::new(context, arguments, wipes, caller, Some(Arc::clone(&job)));
        let name = format!("job {} of {}", job.id(), operation.name());
        let ends = EndsJob(Arc::clone(&job), of_task.stopped());
        service.spawn_on(host.runtime(), name.into(), of_task.job(operation, context, ends))?;
        run.end(Ok(serde_json::json!({ "job": job.id() }).to_string().into()));
        return Ok(());
    }
    let context = OperationContext::new(context, arguments, wipes, caller, None);
    let name = format!("operation {}", operation.name());
    let ends = EndsRun(Arc::clone(run), of_task.stopped());
    service.spawn_on(host.runtime(), name.into(), of_task.run(operation, context, deadline, ends, permit))
}

/// The service of an operation, if it runs.
fn running(host: &Arc<Host>, info: &OperationInfo) -> Result<Service, Error> {
    if info.service == APP_SERVICE {
        return host.own_service().ok_or_else(|| {
            unavailable(APP_SERVICE, "the application is not started, or it stops".to_owned())
        });
    }
    let service = host.registry.service(info.service);
    let runs = |service: &Service| service.state() == ServiceState::Running;
    service.filter(runs).ok_or_else(|| {
        let status = App::from(Arc::clone(host)).service_statuses();
        let status = status.into_iter().find(|status| status.id == info.service);
        let down = status.map_or_else(
            || format!("service {} ({}) does not run", info.service_name, info.service),
            |status| status.describe(),
        );
        unavailable(info.service, format!("{down}; its operations work while it runs"))
    })
}

fn permit(host: &Arc<Host>, effect: Effect, info: &OperationInfo) -> Result<OwnedSemaphorePermit, Error> {
    let room = host.kept.get::<Room>();
    let room = if effect == Effect::Reads { &room.reads } else { &room.changes };
    Arc::clone(room).try_acquire_owned().map_err(|_| {
        unavailable(info.service, "too many operations run in this process; try again later".to_owned())
    })
}

fn unavailable(service: ServiceId, message: String) -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(service).message(message).build()
}

/// Answers a run that is dropped before its end.
struct EndsRun(Arc<OperationRun>, Error);

impl Drop for EndsRun {
    fn drop(&mut self) {
        self.0.end(Err(self.1.clone()));
    }
}

/// Ends a job that is dropped before its end.
struct EndsJob(Arc<JobOf>, Error);

impl Drop for EndsJob {
    fn drop(&mut self) {
        self.0.end(JobState::Stopped, Err(self.1.clone()));
    }
}

/// The task of a run.
struct OperationTask {
    service: Service,
    what: String,
}

impl OperationTask {
    async fn run(
        self,
        operation: &'static LinkedOperation,
        context: OperationContext,
        deadline: Duration,
        ends: EndsRun,
        _permit: OwnedSemaphorePermit,
    ) {
        let run = &ends.0;
        let work = async {
            tokio::select! {
                biased;
                () = self.must_end() => Err(self.stopped()),
                () = run.abandoned() => Err(self.cancelled("its caller is gone")),
                // Within the task, so that a panic of the function is caught here.
                answer = timeout(deadline, async { operation.function().run(context).await }) => {
                    answer.unwrap_or_else(|_| Err(late(&self.what, deadline, "")))
                }
            }
        };
        let answer = AssertUnwindSafe(work).catch_unwind().await;
        run.end(answer.unwrap_or_else(|panic| Err(self.panicked(panics::message(panic.as_ref())))));
    }

    async fn job(self, operation: &'static LinkedOperation, context: OperationContext, ends: EndsJob) {
        let job = &ends.0;
        let work = async {
            tokio::select! {
                biased;
                () = self.service.dying() => (JobState::Stopped, Err(self.stopped())),
                () = job.cancel.cancelled() => (JobState::Cancelled, Err(self.cancelled("an operator ended the job"))),
                answer = async { operation.function().run(context).await } => {
                    (if answer.is_ok() { JobState::Done } else { JobState::Failed }, answer)
                }
            }
        };
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        let panicked = |message: &str| (JobState::Failed, Err(self.panicked(message)));
        let (state, answer) = ended.unwrap_or_else(|panic| panicked(panics::message(panic.as_ref())));
        job.end(state, answer);
    }

    /// Waits until the run must end: when its service is killed. An operation of the app then gets time for a last answer.
    async fn must_end(&self) {
        self.service.dying().await;
        if self.service.id() == APP_SERVICE {
            tokio::time::sleep(LAST_ANSWER).await;
        }
    }

    fn stopped(&self) -> Error {
        let why = self.service.reason().map_or_else(String::new, |reason| format!(": {reason}"));
        let message = format!("{}: the service was stopped{why}", self.what);
        errors::SERVICE_NOT_ALIVE.error(self.service.id()).message(message).build()
    }

    fn cancelled(&self, why: &str) -> Error {
        let message = format!("{} was cancelled: {why}; it may have done a part of its work", self.what);
        errors::SERVICE_NOT_AVAILABLE.error(self.service.id()).message(message).build()
    }

    fn panicked(&self, message: &str) -> Error {
        let message = format!("{} panicked: {message}", self.what);
        let panicked = errors::BUG.error(self.service.id()).message(message).tag("PANIC").build();
        error!(self.service.log(), "an operation panicked"; "err" => #&panicked);
        panicked
    }
}
