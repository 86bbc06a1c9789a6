//! Calls operations of an app.

use std::time::Duration;

use schema::admin_capnp::app;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::answers::TOO_MUCH;
use crate::connect::{Effect, Session};
use crate::failure::Failure;

/// Longest answer in bytes. Apps send at most 1 MiB.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The outcome of a call that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Called {
    /// The answer, in JSON.
    Answer(String),
    /// The app has no such operation, or no operations at all.
    Unknown,
}

/// Calls an operation that reads. Service 0 is the app itself.
pub(crate) async fn call(
    app: &app::Client,
    service: u64,
    name: &str,
    arguments: &Value,
    deadline: Duration,
) -> capnp::Result<Called> {
    let mut request = app.call_operation_request();
    let mut params = request.get();
    params.set_service_id(service);
    params.set_name(name);
    params.set_arguments(arguments.to_string());
    params.set_deadline_millis(u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX));
    let answer = match request.send().promise.await {
        Ok(answer) => answer,
        Err(error) if error.kind == capnp::ErrorKind::Unimplemented => return Ok(Called::Unknown),
        Err(error) => return Err(error),
    };
    let bytes = answer.get()?.get_result()?.as_bytes();
    if bytes.len() > MOST_BYTES {
        return Err(capnp::Error::failed(format!("{TOO_MUCH}: {} bytes, at most {MOST_BYTES}", bytes.len())));
    }
    Ok(Called::Answer(String::from_utf8_lossy(bytes).into_owned()))
}

/// Calls an operation that reads, and reads its answer. `None` if the app has no operations.
pub(crate) async fn ask<T: DeserializeOwned>(
    session: &Session,
    service: u64,
    name: &'static str,
    arguments: Value,
) -> Result<Option<T>, Failure> {
    let left = session.deadline.saturating_duration_since(Instant::now());
    let asking = move |app: app::Client| {
        let arguments = arguments.clone();
        async move { call(&app, service, name, &arguments, left).await }
    };
    match session.call(Effect::Reads, asking).await? {
        Called::Unknown => Ok(None),
        Called::Answer(text) => serde_json::from_str(&text).map(Some).map_err(|error| {
            Failure::failed(format!("{}: the answer of {name} makes no sense: {error}", session.address))
        }),
    }
}

/// The failure that an app is too old for a command.
pub(crate) fn too_old(session: &Session, what: &str) -> Failure {
    Failure::failed(format!(
        "{}: this app cannot tell {what}: its release is older than this command; use the appctl of its release, or update it",
        session.address
    ))
}
