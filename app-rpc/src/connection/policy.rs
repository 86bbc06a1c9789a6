//! The messages that a peer may send, and the memory that each takes once it is decoded.
//!
//! The check comes before capnp-rpc sees a message. capnp-rpc makes an object for each entry of a capability table and for each step
//! of a path, and a list of elements without a size can claim half a million of them for no bytes. It also sends a message that it
//! does not support back as a whole. So tables and paths are limited here, and messages that no client of this crate sends are
//! refused.

use capnp_rpc::rpc_capnp::{
    call, cap_descriptor, disembargo, exception, message, message_target, payload, promised_answer, resolve,
    return_,
};

use crate::{Limits, trailer};

/// The memory of a call in capnp-rpc beside its message: its tasks, its future and its results.
const CALL_BYTES: usize = 3 * 1024;

/// The memory of a capability that comes with a message.
const CAPABILITY_BYTES: usize = 512;

/// The memory of a step of a path.
const STEP_BYTES: usize = 8;

/// A call with too many capabilities is refused, and each of them is released. With more than this the connection ends.
const RELEASED: u32 = 64;

/// The longest reason of an exception. A longer one is cut.
const REASON_BYTES: usize = 4096;

/// The largest answer without content.
const BARE_ANSWER_BYTES: usize = 1024;

/// A message that may be sent, after the check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    /// Its memory in capnp-rpc in bytes.
    pub(super) cost: usize,
    /// Whether there was memory for it, so that the cost is charged.
    pub(super) paid: bool,
    /// Why a call is refused, for its content alone.
    pub(super) objection: Option<String>,
}

/// Checks a message of this many bytes.
///
/// # Errors
/// The message can't be refused alone, and the connection has to end.
pub(super) fn check(message: message::Reader<'_>, bytes: usize, limits: &Limits) -> capnp::Result<Checked> {
    let mut cost = 0;
    match message.which() {
        Ok(message::Call(call)) => return check_call(call?, limits),
        Ok(message::Return(answer)) => {
            only_with_capabilities("return", limits)?;
            match answer?.which()? {
                return_::Results(results) => cost += capabilities(results?, limits)?,
                return_::Exception(_) => {}
                return_::Canceled(()) | return_::ResultsSentElsewhere(()) if bytes <= BARE_ANSWER_BYTES => {}
                _ => return Err(unsupported("an answer of this kind")),
            }
        }
        Ok(message::Resolve(resolve)) => {
            only_with_capabilities("resolve", limits)?;
            match resolve?.which()? {
                resolve::Cap(capability) => cost += descriptor(capability?, limits)?,
                resolve::Exception(exception) => {
                    if exception?.get_reason()?.len() > REASON_BYTES {
                        return Err(capnp::Error::failed(format!(
                            "a promise broke with a reason of more than {REASON_BYTES} bytes; send a shorter one"
                        )));
                    }
                }
            }
        }
        Ok(message::Disembargo(disembargo)) => {
            only_with_capabilities("disembargo", limits)?;
            let disembargo = disembargo?;
            if let Ok(disembargo::context::Accept(_) | disembargo::context::Provide(_)) =
                disembargo.get_context().which()
            {
                return Err(unsupported("disembargo for a third party"));
            }
            cost += target(disembargo.get_target()?, limits)?;
        }
        Ok(
            message::Bootstrap(_)
            | message::Finish(_)
            | message::Release(_)
            | message::Abort(_)
            | message::Unimplemented(_),
        ) => {}
        Ok(message::Provide(_)) => return Err(unsupported("provide")),
        Ok(message::Accept(_)) => return Err(unsupported("accept")),
        Ok(message::Join(_)) => return Err(unsupported("join")),
        Ok(message::ObsoleteSave(_) | message::ObsoleteDelete(_)) | Err(_) => {
            return Err(unsupported("a message of this kind"));
        }
    }
    Ok(Checked { cost, ..Checked::default() })
}

fn check_call(call: call::Reader<'_>, limits: &Limits) -> capnp::Result<Checked> {
    let params = call.get_params()?;
    let table = params.get_cap_table()?;
    let (brought, most) = (table.len(), limits.capabilities);
    let objection = if brought > RELEASED && brought as usize > most {
        return Err(too_many_capabilities(brought, most));
    } else if brought as usize > most {
        Some(format!(
            "the call brings {brought} capabilities, where this interface takes at most {most}; call it without"
        ))
    } else if !matches!(call.get_send_results_to().which(), Ok(call::send_results_to::Caller(()))) {
        Some("the call wants its results elsewhere; only results to the caller are supported".to_owned())
    } else if table.iter().any(|one| matches!(one.which(), Ok(cap_descriptor::ThirdPartyHosted(_)) | Err(_)))
    {
        Some("the call brings a capability of a third party, which is not supported".to_owned())
    } else {
        None
    };
    let mut cost = CALL_BYTES + target(call.get_target()?, limits)?;
    if objection.is_none() {
        cost += capabilities(params, limits)?;
    }
    Ok(Checked { cost, objection, paid: false })
}

/// The memory of the capabilities of a payload.
fn capabilities(payload: payload::Reader<'_>, limits: &Limits) -> capnp::Result<usize> {
    let table = payload.get_cap_table()?;
    if table.len() as usize > limits.capabilities {
        return Err(too_many_capabilities(table.len(), limits.capabilities));
    }
    table.iter().map(|capability| descriptor(capability, limits)).sum()
}

fn descriptor(capability: cap_descriptor::Reader<'_>, limits: &Limits) -> capnp::Result<usize> {
    match capability.which() {
        Ok(cap_descriptor::ReceiverAnswer(answer)) => Ok(CAPABILITY_BYTES + path(answer?, limits)?),
        Ok(cap_descriptor::ThirdPartyHosted(_)) | Err(_) => Err(unsupported("a capability of a third party")),
        Ok(_) => Ok(CAPABILITY_BYTES),
    }
}

fn target(target: message_target::Reader<'_>, limits: &Limits) -> capnp::Result<usize> {
    match target.which() {
        Ok(message_target::PromisedAnswer(answer)) => path(answer?, limits),
        _ => Ok(0),
    }
}

/// The memory of the path into an answer.
fn path(answer: promised_answer::Reader<'_>, limits: &Limits) -> capnp::Result<usize> {
    let (steps, most) = (answer.get_transform()?.len() as usize, limits.transform_steps);
    if steps > most {
        return Err(capnp::Error::failed(format!(
            "the path into an answer has {steps} steps, where at most {most} are accepted"
        )));
    }
    Ok(steps * STEP_BYTES)
}

/// Refuses messages that make sense only if the peer may send capabilities.
fn only_with_capabilities(kind: &str, limits: &Limits) -> capnp::Result<()> {
    if limits.capabilities > 0 {
        return Ok(());
    }
    Err(capnp::Error::failed(format!("{kind}: nothing was asked of this side that it could belong to")))
}

fn too_many_capabilities(brought: u32, most: usize) -> capnp::Error {
    capnp::Error::failed(format!(
        "a message brings {brought} capabilities, where at most {most} are accepted"
    ))
}

fn unsupported(what: &str) -> capnp::Error {
    capnp::Error::failed(format!("{what} is not supported"))
}

/// The error of a connection that the peer aborted. Each waiting call gets a copy, so it is short.
pub(super) fn aborted(exception: exception::Reader<'_>) -> capnp::Error {
    let kind = match exception.get_type() {
        Ok(exception::Type::Overloaded) => capnp::ErrorKind::Overloaded,
        Ok(exception::Type::Disconnected) => capnp::ErrorKind::Disconnected,
        Ok(exception::Type::Unimplemented) => capnp::ErrorKind::Unimplemented,
        _ => capnp::ErrorKind::Failed,
    };
    let extra =
        format!("remote exception: {}", reason(exception).unwrap_or_else(|| "(malformed error)".to_owned()));
    capnp::Error { kind, extra }
}

/// The reason of an exception, or its beginning.
fn reason(exception: exception::Reader<'_>) -> Option<String> {
    let bytes = exception.get_reason().ok()?.as_bytes();
    let kept = &bytes[..bytes.len().min(REASON_BYTES)];
    match std::str::from_utf8(kept) {
        Ok(text) => Some(text.to_owned()),
        // The cut can be within a character.
        Err(error) if bytes.len() > kept.len() => {
            String::from_utf8(kept[..error.valid_up_to()].to_vec()).ok()
        }
        Err(_) => None,
    }
}

/// A replacement for an answer with a long reason, because each waiting call gets a copy of the reason. And a replacement for an answer
/// with an error beside it, because capnp-rpc passes nothing but the reason to the caller.
pub(super) fn rewritten(
    message: message::Reader<'_>,
    error: Option<&[u8]>,
) -> Option<(u32, exception::Type, String)> {
    let (answer, exception) = failed(message)?;
    if exception.get_reason().ok()?.len() <= REASON_BYTES && error.is_none() {
        return None;
    }
    let kind = exception.get_type().unwrap_or(exception::Type::Failed);
    let reason = reason(exception).unwrap_or_default();
    let reason = error.map_or_else(|| reason.clone(), |error| trailer::join(&reason, error));
    Some((answer, kind, reason))
}

/// An answer that is an exception of this side.
pub(super) struct FailedCall<'a> {
    pub(super) question: u32,
    pub(super) kind: exception::Type,
    /// The reason without its trailer.
    pub(super) text: &'a str,
    /// The encoded error in the trailer.
    pub(super) error: Option<Vec<u8>>,
    pub(super) has_trailer: bool,
}

/// The call of an answer that is an exception.
pub(super) fn failed_call(message: message::Reader<'_>) -> Option<FailedCall<'_>> {
    let (question, exception) = failed(message)?;
    let reason = exception.get_reason().ok()?.to_str().ok()?;
    let (text, error) = trailer::split(reason);
    let kind = exception.get_type().unwrap_or(exception::Type::Failed);
    Some(FailedCall { question, kind, text, error, has_trailer: text.len() < reason.len() })
}

/// The exception of an answer that has one, and the number of its question.
fn failed(message: message::Reader<'_>) -> Option<(u32, exception::Reader<'_>)> {
    let Ok(message::Return(Ok(answer))) = message.which() else { return None };
    let Ok(return_::Exception(Ok(exception))) = answer.which() else { return None };
    Some((answer.get_answer_id(), exception))
}
