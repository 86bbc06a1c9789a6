//! How a call that was not executed is answered, so that its caller knows that it may try elsewhere.

use capnp::message::{Builder, HeapAllocator};
use capnp_rpc::rpc_capnp::{cap_descriptor, exception, message};

/// The reason of an exception begins with this exactly when the call that it answers was not executed, nor any part of it.
///
/// An error that a handler passes on has something in front of it, so that a refusal of another server, further away, is not
/// taken for one of this.
pub(crate) const NOT_EXECUTED: &str = "[not executed] ";

/// The error of a connection that ends without having executed what was not answered.
pub(crate) fn not_executed(reason: &str) -> capnp::Error {
    capnp::Error::disconnected(format!("{NOT_EXECUTED}{reason}"))
}

/// When a call that was refused may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Later,
    /// On another connection.
    Elsewhere,
    /// It will be refused again.
    Never,
}

/// The messages that answer a refused question: the answer, and the release of each capability that came with it.
pub(super) fn answer(
    question: u32,
    reason: &str,
    again: Again,
    refused: message::Reader<'_>,
) -> capnp::Result<Vec<Builder<HeapAllocator>>> {
    let answer = match again {
        // As the error of a connection that ends.
        Again::Elsewhere => {
            failure(question, exception::Type::Disconnected, &format!("{NOT_EXECUTED}{reason}"))
        }
        // As that of a server that has too much to do.
        Again::Later => failure(question, exception::Type::Overloaded, &format!("{NOT_EXECUTED}{reason}")),
        Again::Never => failure(question, exception::Type::Failed, reason),
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
    // Capabilities are released one by one: not every implementation looks at this.
    answer.set_release_param_caps(false);
    let mut exception = answer.init_exception();
    exception.set_type(kind);
    exception.set_reason(reason);
    message
}

/// The last words on a connection.
pub(super) fn abort(reason: &str) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut exception = message.init_root::<message::Builder<'_>>().init_abort();
    exception.set_type(exception::Type::Failed);
    exception.set_reason(reason);
    message
}
