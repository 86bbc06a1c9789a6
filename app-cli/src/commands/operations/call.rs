//! The call of an operation, repeated if the connection broke.

use std::time::Duration;

use schema::admin_capnp::app;
use tokio::time::{Instant, sleep};

use super::flags::CallFlags;
use super::{Described, job, result};
use crate::connect::{Effect, Session};
use crate::contexts::Address;
use crate::failure::{Failure, Outcome, Status};
use crate::operation::Operation;
use crate::output::Hex;
use crate::target::Target;

/// How much earlier than this command the app gives up, so that its answer tells why.
const AHEAD: Duration = Duration::from_millis(200);
/// How often a call is made again after its connection broke.
const MOST_RETRIES: usize = 3;
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(200);

/// A call, as a request needs it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) service: Hex,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) reason: String,
    pub(super) request_id: String,
    pub(super) confirmed: bool,
}

/// Calls an operation on one instance, and prints its result.
pub(super) async fn call(
    operation: &Operation<'_>,
    session: &Session,
    described: &Described,
    given: &CallFlags,
) -> Outcome {
    let request = Request {
        service: described.info.service,
        name: described.info.name.clone(),
        arguments: given.arguments.clone(),
        reason: given.reason.clone(),
        request_id: given.request_id.clone(),
        confirmed: given.confirmed,
    };
    let effect = if described.info.only_reads() { Effect::Reads } else { Effect::Changes };
    let json = call_again(operation, session, effect, &request).await?;
    let value = result::parse(session, &json)?;
    match value.get("job").and_then(serde_json::Value::as_str) {
        Some(id) if described.info.job => job::follow(operation, session, id, given.waits).await,
        _ => result::print(operation.output, value),
    }
}

/// Makes the call. If its connection broke, makes it again with the same request id on the same instance.
async fn call_again(
    operation: &Operation<'_>,
    session: &Session,
    effect: Effect,
    request: &Request,
) -> Result<String, Failure> {
    // Another process does not know the request id, so a retry is for this instance only.
    let before = match effect {
        Effect::Changes => Some(instance(session).await?),
        Effect::Reads => None,
    };
    let first = once(session, session.deadline, effect, request.clone()).await;
    let mut lost = match first {
        Err(lost) if lost.status == Status::Unknown && effect == Effect::Changes => lost,
        answered => return answered,
    };
    for _ in 0..MOST_RETRIES {
        if Instant::now() + PAUSE >= session.deadline {
            break;
        }
        sleep(PAUSE).await;
        let address = Address { host: session.address.ip().to_string(), port: session.address.port() };
        let target = Target { addresses: vec![address], ..operation.target.clone() };
        let Ok(again) = Session::open(&target, session.deadline).await else { continue };
        let same = instance(&again).await.is_ok_and(|now| Some(now) == before);
        let answered =
            if same { Some(once(&again, session.deadline, effect, request.clone()).await) } else { None };
        again.close().await;
        match answered {
            Some(Err(failure)) if failure.status == Status::Unknown => lost = failure,
            Some(answered) => return answered,
            None => break,
        }
    }
    Err(lost)
}

/// The instance that a session is connected to.
async fn instance(session: &Session) -> Result<String, Failure> {
    let asked = session.call(Effect::Reads, |app: app::Client| async move {
        let answer = app.instance_request().send().promise.await?;
        Ok(answer.get()?.get_instance_id()?.to_string()?)
    });
    asked.await
}

/// Makes a call once.
pub(super) async fn once(
    session: &Session,
    deadline: Instant,
    effect: Effect,
    request: Request,
) -> Result<String, Failure> {
    let asked = session.call_by(deadline, effect, move |app: app::Client| {
        let mut call = app.call_operation_request();
        let mut params = call.get();
        params.set_service_id(request.service.0);
        params.set_name(&request.name);
        params.set_arguments(&request.arguments);
        params.set_reason(&request.reason);
        params.set_request_id(&request.request_id);
        params.set_confirmed(request.confirmed);
        params.set_deadline_millis(millis_until(deadline));
        async move {
            let answer = call.send().promise.await?;
            Ok(answer.get()?.get_result()?.to_string()?)
        }
    });
    asked.await.map_err(super::too_old)
}

/// The deadline for the app, in milliseconds from now: at least one, and at most what it takes.
fn millis_until(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(AHEAD);
    let left = left.clamp(Duration::from_millis(1), app_core::operations::MAX_DEADLINE);
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
}
