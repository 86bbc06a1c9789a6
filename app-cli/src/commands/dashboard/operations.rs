//! The operations of an app, for the page.

use app_core::prelude::ServiceId;
use app_dashboard::{Answer, Call};
use schema::admin_capnp::{OperationEffect, OperationRole, app, operation_info};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ask::answer;
use crate::answers::{elements, text};
use crate::connect::{Effect, Session};
use crate::failure::Failure;
use crate::output::Hex;

/// Lists the operations.
pub(super) async fn list(session: &Session, deadline: Instant) -> Answer {
    let asked = session.call_by(deadline, Effect::Reads, async |app: app::Client| {
        let answer = app.operations_request().send().promise.await?;
        elements(answer.get()?.get_operations()?, operation)
    });
    answer(asked.await.map(|operations| json!({ "operations": operations })))
}

fn operation(info: operation_info::Reader<'_>) -> capnp::Result<Value> {
    Ok(json!({
        "service": Hex(info.get_service_id()),
        "service_name": text(info.get_service_name())?,
        "name": text(info.get_name())?,
        "about": text(info.get_about())?,
        "role": match info.get_role() {
            Ok(OperationRole::Read) => "read",
            Ok(OperationRole::Operate) => "operate",
            Ok(OperationRole::Admin) => "admin",
            Err(_) => "unknown",
        },
        "effect": match info.get_effect() {
            Ok(OperationEffect::Reads) => "reads",
            Ok(OperationEffect::Changes) => "changes",
            Ok(OperationEffect::Destroys) => "destroys",
            Err(_) => "unknown",
        },
        "job": info.get_job(),
        "may_call": info.get_may_call(),
    }))
}

/// Describes an operation, with the schemas as objects.
pub(super) async fn describe(
    session: &Session,
    service: ServiceId,
    name: String,
    deadline: Instant,
) -> Answer {
    let asked = session.call_by(deadline, Effect::Reads, move |app: app::Client| {
        let mut request = app.describe_operation_request();
        request.get().set_service_id(service.as_u64());
        request.get().set_name(&name);
        async move {
            let answer = request.send().promise.await?;
            let answer = answer.get()?;
            let json = |text: capnp::Result<capnp::text::Reader<'_>>| -> capnp::Result<Value> {
                serde_json::from_slice(text?.as_bytes())
                    .map_err(|error| capnp::Error::failed(format!("a schema is not JSON: {error}")))
            };
            Ok(json!({
                "operation": operation(answer.get_operation()?)?,
                "arguments": json(answer.get_arguments())?,
                "results": json(answer.get_results())?,
            }))
        }
    });
    answer(asked.await)
}

/// Calls an operation. The answer is its result.
pub(super) async fn call(session: &Session, call: Call, deadline: Instant) -> Answer {
    // An operation without a reason reads.
    let effect = if call.reason.is_empty() { Effect::Reads } else { Effect::Changes };
    let millis = u32::try_from(call.time.as_millis()).unwrap_or(u32::MAX).max(1);
    let asked = session.call_by(deadline, effect, move |app: app::Client| {
        let mut request = app.call_operation_request();
        let mut params = request.get();
        params.set_service_id(call.service.as_u64());
        params.set_name(&call.name);
        params.set_arguments(call.arguments.to_string());
        params.set_reason(&call.reason);
        params.set_request_id(&call.request_id);
        params.set_confirmed(call.confirmed);
        params.set_deadline_millis(millis);
        async move {
            let answer = request.send().promise.await?;
            Ok(answer.get()?.get_result()?.as_bytes().to_vec())
        }
    });
    let parsed = asked.await.and_then(|bytes| {
        let parsed: Result<Value, _> = serde_json::from_slice(&bytes);
        parsed.map_err(|error| Failure::failed(format!("the result of the operation is not JSON: {error}")))
    });
    answer(parsed)
}
