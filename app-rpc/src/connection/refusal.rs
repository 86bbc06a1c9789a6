//! Answers to calls that were not executed. Their callers learn that they may try again.

use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_capnp::{cap_descriptor, exception, message};

/// The reason of an exception begins with this if and only if no part of the call was executed.
///
/// capnp-rpc puts a text before an error that a handler passes on. So the refusal of a server behind this one is not mistaken for a
/// refusal of this one.
pub(crate) const NOT_EXECUTED: &str = "[not executed] ";

/// Why a call does not begin after its deadline.
pub(crate) const TOO_LATE: &str = "its deadline has passed";

/// The error of a call that begins too late. It has the kind of error of a server with too much work.
pub(crate) fn too_late() -> capnp::Error {
    capnp::Error::overloaded(format!("{NOT_EXECUTED}{TOO_LATE}"))
}

/// The error of a connection that ends, and has executed no call without an answer.
pub(crate) fn not_executed(reason: &str) -> capnp::Error {
    capnp::Error::disconnected(format!("{NOT_EXECUTED}{reason}"))
}

/// Whether the caller of a refused call may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Later,
    /// Only on another connection.
    Elsewhere,
    /// The call would be refused again.
    Never,
}

/// The messages that answer a refused question: the answer, and a release of each capability that came with it.
pub(super) fn answer(
    question: u32,
    reason: &str,
    retry: Retry,
    refused: message::Reader<'_>,
) -> capnp::Result<Vec<Builder<HeapAllocator>>> {
    let answer = match retry {
        // The kind of error of a connection that ends.
        Retry::Elsewhere => {
            failure(question, exception::Type::Disconnected, &format!("{NOT_EXECUTED}{reason}"))
        }
        // The kind of error of a server with too much work.
        Retry::Later => failure(question, exception::Type::Overloaded, &format!("{NOT_EXECUTED}{reason}")),
        Retry::Never => failure(question, exception::Type::Failed, reason),
    };
    let mut messages = vec![answer];
    if let Ok(message::Call(call)) = refused.which() {
        for capability in call?.get_params()?.get_cap_table()? {
            let id = match capability.which() {
                Ok(cap_descriptor::SenderHosted(id) | cap_descriptor::SenderPromise(id)) => id,
                _ => continue,
            };
            let mut message = Builder::new_default();
            let mut release = message.init_root::<message::Builder<'_>>().init_release();
            release.set_id(id);
            release.set_reference_count(1);
            messages.push(message);
        }
    }
    Ok(messages)
}

/// An answer that is an exception.
pub(super) fn failure(question: u32, kind: exception::Type, reason: &str) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut answer = message.init_root::<message::Builder<'_>>().init_return();
    answer.set_answer_id(question);
    // The capabilities are released one by one, because some implementations ignore this field.
    answer.set_release_param_caps(false);
    let mut exception = answer.init_exception();
    exception.set_type(kind);
    exception.set_reason(reason);
    message
}

/// The last message of a connection.
pub(super) fn abort(reason: &str) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut exception = message.init_root::<message::Builder<'_>>().init_abort();
    exception.set_type(exception::Type::Failed);
    exception.set_reason(reason);
    message
}
