//! Which messages a peer may send, and what one costs once it is decoded.
//!
//! It is asked before capnp-rpc sees a message. capnp-rpc makes an object for each entry of a capability table and for each step of a
//! path, and a list of elements without size claims half a million of them for no bytes. What it does not support it sends back
//! whole. So tables and paths are bounded here, and messages of a kind that no client of ours needs are refused.

use capnp_rpc::rpc_capnp::{
    call, cap_descriptor, disembargo, exception, message, message_target, payload, promised_answer, resolve,
    return_,
};

use crate::Limits;

/// What capnp-rpc makes for a call, beside its message: its tasks, its future and its results.
const CALL_BYTES: usize = 3 * 1024;

/// What it makes for a capability that comes with a message.
const CAPABILITY_BYTES: usize = 512;

/// What it makes for a step of a path.
const STEP_BYTES: usize = 8;

/// A call that brings too many capabilities is refused, and each of them is released. With more than this the connection ends.
const RELEASED: u32 = 64;

/// The longest reason of an exception that is kept.
const REASON_BYTES: usize = 4096;

/// The largest answer that has nothing but the news that there is none.
const BARE_ANSWER_BYTES: usize = 1024;

/// What becomes of a message that may be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Bytes of memory that it takes in capnp-rpc.
    pub(super) cost: usize,
    /// There is memory for that: the cost is charged.
    pub(super) paid: bool,
    /// Why a call is refused, whatever else happens on the connection.
    pub(super) objection: Option<String>,
}

/// Judges a message of so many bytes.
///
/// # Errors
/// It can't be refused alone: the connection has to end.
pub(super) fn judge(message: message::Reader<'_>, bytes: usize, limits: &Limits) -> capnp::Result<Judged> {
    let mut cost = 0;
    match message.which() {
        Ok(message::Call(call)) => return judge_call(call?, limits),
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
    Ok(Judged { cost, ..Judged::default() })
}

fn judge_call(call: call::Reader<'_>, limits: &Limits) -> capnp::Result<Judged> {
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
    Ok(Judged { cost, objection, paid: false })
}

/// What the capabilities of a payload cost.
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

/// What the path into an answer costs.
fn path(answer: promised_answer::Reader<'_>, limits: &Limits) -> capnp::Result<usize> {
    let (steps, most) = (answer.get_transform()?.len() as usize, limits.transform_steps);
    if steps > most {
        return Err(capnp::Error::failed(format!(
            "the path into an answer has {steps} steps, where at most {most} are accepted"
        )));
    }
    Ok(steps * STEP_BYTES)
}

/// Some messages make sense only where the peer can give us capabilities.
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

/// The error of a peer that says that it ends the connection. It goes to every call that waits, so it is short.
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

/// The beginning of a reason.
fn reason(exception: exception::Reader<'_>) -> Option<String> {
    let bytes = exception.get_reason().ok()?.as_bytes();
    let kept = &bytes[..bytes.len().min(REASON_BYTES)];
    match std::str::from_utf8(kept) {
        Ok(text) => Some(text.to_owned()),
        // The cut may be within a character.
        Err(error) if bytes.len() > kept.len() => {
            String::from_utf8(kept[..error.valid_up_to()].to_vec()).ok()
        }
        Err(_) => None,
    }
}

/// A short answer in place of one whose reason is long: every call that waits for it gets a copy.
pub(super) fn shortened(message: message::Reader<'_>) -> Option<(u32, exception::Type, String)> {
    let Ok(message::Return(Ok(answer))) = message.which() else { return None };
    let Ok(return_::Exception(Ok(exception))) = answer.which() else { return None };
    if exception.get_reason().ok()?.len() <= REASON_BYTES {
        return None;
    }
    let kind = exception.get_type().unwrap_or(exception::Type::Failed);
    Some((answer.get_answer_id(), kind, reason(exception).unwrap_or_default()))
}
