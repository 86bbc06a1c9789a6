//! Errors of handlers as exceptions of the protocol, and back.

use std::borrow::Borrow;

use app_core::Identity;
use app_errors::{Error, ErrorOrigin, errors};

use crate::error_form::{decode_bounded, encode_bounded};
use crate::errors::{RPC_NOT_SENT, RPC_REFUSED};
use crate::trailer;

/// The exception with which a handler fails. The caller gets the text of the error, and a caller of this platform also the error
/// itself, with its id: see [`CallError::error`](crate::CallError::error).
///
/// It tells what other processes may see ([`Error::public_record`]): no stack and no source location. Of the context it tells the
/// [public part](app_errors::ErrorBuilder::public_context). Long texts are cut, so it has at most 4 KiB.
///
/// The kind is `overloaded` if something is not alive or not available, or if a call of this handler was certainly not executed. So
/// the caller may try again later. It is `failed` otherwise.
///
/// ```
/// use app_core::prelude::*;
/// use app_errors::errors::ILLEGAL_ARGUMENT;
///
/// fn check(permits: u32) -> Result<(), Error> {
///     if permits > 0 { Ok(()) } else { Err(ILLEGAL_ARGUMENT.error(ServiceId::new(7)).message("0 permits").build()) }
/// }
///
/// let refused: capnp::Error = check(0).map_err(app_rpc::exception).unwrap_err();
/// assert_eq!(refused.kind, capnp::ErrorKind::Failed);
/// assert_eq!(app_rpc::exception_text(&refused), "0 permits");
/// assert!(app_rpc::exception_error(&refused).unwrap().is(&ILLEGAL_ARGUMENT));
/// ```
#[must_use]
pub fn exception(error: impl Borrow<Error>) -> capnp::Error {
    let error = error.borrow();
    let busy = [
        errors::SERVICE_NOT_ALIVE,
        errors::SERVICE_NOT_AVAILABLE,
        errors::APP_NOT_ALIVE,
        RPC_NOT_SENT,
        RPC_REFUSED,
    ];
    let mut record = error.public_record();
    record.origin = record.origin.or_else(origin);
    let text = trailer::join(&error.to_string(), &encode_bounded(record));
    if busy.iter().any(|spec| error.is(spec)) {
        capnp::Error::overloaded(text)
    } else {
        capnp::Error::failed(text)
    }
}

/// The application of this process. Its process id and its host stay here.
fn origin() -> Option<ErrorOrigin> {
    let app = app_core::compat::current().ok()?;
    let Identity { domain, app, release, instance } = *app.identity();
    Some(ErrorOrigin::new(domain, app, release, instance, 0, String::new()))
}

/// The error that a handler failed with, if it told: see [`exception()`]. It [is remote](Error::is_remote), and at most of high severity.
///
/// For code that uses capnp-rpc itself. [`CallError::error`](crate::CallError::error) has it for calls of an
/// [`RpcClient`](crate::RpcClient).
#[must_use]
#[track_caller]
pub fn exception_error(exception: &capnp::Error) -> Option<Error> {
    let (_, error) = trailer::split(&exception.extra);
    decode_bounded(&error?).map(app_errors::ErrorRecord::into_error)
}

/// The text of an exception for people, without the encoded error behind it.
#[must_use]
pub fn exception_text(exception: &capnp::Error) -> &str {
    trailer::text_of(&exception.extra)
}

/// Takes the error out of an exception.
pub(crate) fn take_error(exception: &mut capnp::Error) -> Option<Error> {
    let error = exception_error(exception);
    let end = exception_text(exception).len();
    exception.extra.truncate(end);
    error
}
