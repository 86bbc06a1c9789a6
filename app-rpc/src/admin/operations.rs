//! The operations of the application over RPC: the list, the schemas and the call.
//!
//! The role that a call needs is that of its operation, so the gate asks [`about`] for each call. It finds what is wrong with the
//! call, too: a call that is refused has a record that says why.

use std::rc::Rc;

use app_core::operations::{
    self, Caller, DEFAULT_DEADLINE, Effect, MAX_BYTES, OperationCall, OperationInfo, OperationRole,
};
use app_core::prelude::*;
use capnp::Error as RpcError;
use schema::admin_capnp::{self, app, operation_info};
use tokio::time::sleep;

use super::gate::Session;
use super::methods::About;
use super::reason::Reason;
use super::{count, failed};
use crate::Role;
use crate::text::bounded;

/// How long a call that only reads goes on once the endpoint stops.
const GRACE_OF_READS: Duration = Duration::from_millis(250);

/// The longest arguments in a record, in bytes.
const MAX_SHOWN_BYTES: usize = 1024;

/// The longest arguments that are read for the record of a denied call, in bytes.
const MAX_DENIED_BYTES: usize = 4096;

/// What the record says about a called operation.
#[derive(Debug, Clone)]
pub(super) struct Called {
    /// The service and the operation, such as `quota forget`.
    pub(super) operation: String,
    /// The arguments as JSON, without secrets, and cut if they are long.
    pub(super) arguments: String,
    /// The request id; empty without one.
    pub(super) request_id: String,
}

/// What a call of an operation needs, for the gate. `None` if the call may be made without a record: it only reads and the role is
/// high enough, or there is no such operation.
pub(super) fn about(app: &App, role: Role, params: app::call_operation_params::Reader<'_>) -> Option<About> {
    let service = ServiceId::new(params.get_service_id());
    let name = params.get_name().ok()?.to_str().ok()?;
    let info = app.operation_info(service, name).ok()?;
    let needed = role_of(info.role);
    let denied = role < needed;
    if info.effect == Effect::Reads && !denied {
        return None;
    }
    let reason = match params.get_reason() {
        Ok(reason) if info.effect > Effect::Reads => Reason::of(reason),
        _ => Reason::NotTaken,
    };
    let mut called = Called {
        operation: format!("{} {}", info.service_name, info.name),
        arguments: String::new(),
        request_id: params
            .get_request_id()
            .ok()
            .and_then(|id| id.to_str().ok())
            .map(|id| bounded(id, 128))
            .unwrap_or_default(),
    };
    let text = params.get_arguments().map_or(&b""[..], |text| text.as_bytes());
    let mut refused = None;
    if denied && text.len() > MAX_DENIED_BYTES {
        called.arguments = format!("({} bytes)", text.len());
    } else {
        match call(&info, role, Vec::new(), params) {
            Ok(call) => {
                called.arguments = shown(app, &call);
                if !denied {
                    refused = app.check_operation(&call).err().map(|error| error.to_string());
                }
            }
            Err(wrong) => {
                "(unreadable)".clone_into(&mut called.arguments);
                refused = Some(wrong);
            }
        }
    }
    let target = format!("operation {} of service {}", info.name, described(&info));
    Some(About { target, reason, needed, refused, called: Some(called) })
}

fn described(info: &OperationInfo) -> String {
    format!("{} ({:#x})", info.service_name, info.service)
}

/// The arguments for a record.
fn shown(app: &App, call: &OperationCall) -> String {
    let shown = app.show_arguments(call.service, &call.name, &call.arguments);
    let json = shown.map(|arguments| arguments.to_string()).unwrap_or_default();
    if json.len() <= MAX_SHOWN_BYTES {
        return json;
    }
    // Room for the mark.
    let mark = format!("… ({} bytes in all)", json.len());
    let cut = (0..=MAX_SHOWN_BYTES - mark.len()).rev().find(|at| json.is_char_boundary(*at));
    format!("{}{mark}", &json[..cut.unwrap_or(0)])
}

/// The call of a request, in the types of the kernel.
fn call(
    info: &OperationInfo,
    role: Role,
    names: Vec<String>,
    params: app::call_operation_params::Reader<'_>,
) -> Result<OperationCall, String> {
    let text = |text: capnp::Result<capnp::text::Reader<'_>>, what: &str| {
        let text = text.map_err(|error| format!("{what}: unreadable: {error}"))?;
        text.to_string().map_err(|_| format!("{what}: is not UTF-8; send UTF-8"))
    };
    let arguments = params.get_arguments().map_err(|error| format!("arguments: unreadable: {error}"))?;
    if arguments.as_bytes().len() > MAX_BYTES {
        let bytes = arguments.as_bytes().len();
        return Err(format!("arguments: have {bytes} bytes of JSON; give at most {MAX_BYTES}"));
    }
    let arguments = arguments.to_str().map_err(|_| "arguments: are not UTF-8; send UTF-8".to_owned())?;
    let caller = Caller { names, role: from_role(role), reason: text(params.get_reason(), "reason")? };
    let mut call = OperationCall::new(info.service, info.name, operations::parse(arguments)?, caller)
        .confirmed(params.get_confirmed());
    let id = text(params.get_request_id(), "requestId")?;
    if !id.is_empty() {
        call = call.request_id(id);
    }
    Ok(call.deadline(match params.get_deadline_millis() {
        0 => DEFAULT_DEADLINE,
        millis => Duration::from_millis(millis.into()),
    }))
}

/// Serves `App.operations`.
pub(super) fn list(session: &Session, results: app::operations_results::Builder<'_>) {
    let operations = session.admin.app().operations();
    let mut list = results.init_operations(count(operations.len()));
    let role = session.peer.role_now();
    for (place, info) in (0..).zip(&operations) {
        write(info, role, list.reborrow().get(place));
    }
}

/// Serves `App.describeOperation`.
pub(super) fn describe(
    session: &Session,
    params: app::describe_operation_params::Reader<'_>,
    mut results: app::describe_operation_results::Builder<'_>,
) -> Result<(), RpcError> {
    let (service, name) = (ServiceId::new(params.get_service_id()), params.get_name()?.to_str()?);
    let found = session.admin.app().describe_operation(service, name).map_err(|error| failed(&error))?;
    write(&found.operation, session.peer.role_now(), results.reborrow().init_operation());
    results.set_arguments(found.arguments.to_string());
    results.set_results(found.results.to_string());
    Ok(())
}

/// Serves `App.callOperation`. The gate has checked the role.
pub(super) async fn serve(
    session: Rc<Session>,
    params: app::CallOperationParams,
    mut results: app::CallOperationResults,
) -> Result<(), RpcError> {
    let app = session.admin.app().clone();
    let (call, reads) = {
        let params = params.get()?;
        let (service, name) = (ServiceId::new(params.get_service_id()), params.get_name()?.to_str()?);
        let info = app.operation_info(service, name).map_err(|error| failed(&error))?;
        let names = session.peer.certificate.names.clone();
        let called = call(&info, session.peer.role_now(), names, params).map_err(RpcError::failed)?;
        (called, info.effect == Effect::Reads)
    };
    // The request may be large, and the call may take long.
    drop(params);
    // A reader may wait for something new. It must not delay the end of the endpoint, and asks again elsewhere.
    let stops = async {
        session.admin.service.dying().await;
        sleep(GRACE_OF_READS).await;
    };
    let answer = tokio::select! {
        biased;
        answer = app.call_operation_text(call) => answer,
        () = stops, if reads => return Err(RpcError::disconnected("the endpoint stops".to_owned())),
    };
    let json = answer.map_err(|error| failed(&error))?;
    results.get().set_result(&*json);
    Ok(())
}

fn write(info: &OperationInfo, role: Role, mut to: operation_info::Builder<'_>) {
    to.set_service_id(info.service.as_u64());
    to.set_service_name(&info.service_name);
    to.set_name(info.name);
    to.set_about(info.about);
    to.set_role(match info.role {
        OperationRole::Read => admin_capnp::OperationRole::Read,
        OperationRole::Operate => admin_capnp::OperationRole::Operate,
        OperationRole::Admin => admin_capnp::OperationRole::Admin,
    });
    to.set_effect(match info.effect {
        Effect::Reads => admin_capnp::OperationEffect::Reads,
        Effect::Changes => admin_capnp::OperationEffect::Changes,
        Effect::Destroys => admin_capnp::OperationEffect::Destroys,
    });
    to.set_job(info.job);
    to.set_may_call(role >= role_of(info.role));
}

const fn role_of(role: OperationRole) -> Role {
    match role {
        OperationRole::Read => Role::Read,
        OperationRole::Operate => Role::Operate,
        OperationRole::Admin => Role::Admin,
    }
}

const fn from_role(role: Role) -> OperationRole {
    match role {
        Role::Read => OperationRole::Read,
        Role::Operate => OperationRole::Operate,
        Role::Admin => OperationRole::Admin,
    }
}
