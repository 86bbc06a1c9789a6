//! Errors of libraries as texts of this project: what happened and what to do.

use std::io::{self, ErrorKind};

pub(crate) use app_core::duration::show_duration as duration;
use app_tls::HandshakeRecord;
use capnp::ErrorKind as Kind;
use rustls::Error as TlsError;

use crate::{Refusal, trailer};

/// The beginning of the reason when a server does not know the called method. [`CallError::reason`](crate::CallError::reason) has the
/// address before it.
pub const UNKNOWN_CALL: &str = "the server does not know this call";

/// capnp-rpc puts this text before the error of the other side.
const REMOTE: &str = "remote exception: ";

/// An I/O error of a connection, encrypted or not.
pub(crate) fn of_io(error: &io::Error) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return of_tls(tls);
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => "the other side closed it without saying goodbye".to_owned(),
        ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
        ErrorKind::ConnectionReset => "the other side reset it".to_owned(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => "the other side closed it".to_owned(),
        ErrorKind::TimedOut => "the other side is not reached any more".to_owned(),
        _ => error.to_string(),
    }
}

/// Why a handshake failed: the reason of the recorded refusal, or the I/O error.
pub(crate) fn of_handshake(error: &io::Error, record: &mut HandshakeRecord) -> (Refusal, String) {
    record.rejection.take().unwrap_or_else(|| (Refusal::of(error), of_io(error)))
}

fn of_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidMessage(_) | TlsError::InappropriateMessage { .. } => {
            "what came is not TLS; is it the right port?".to_owned()
        }
        TlsError::InappropriateHandshakeMessage { .. } | TlsError::PeerMisbehaved(_) => {
            "what came does not follow TLS; is it the right port?".to_owned()
        }
        TlsError::PeerIncompatible(_) => {
            "no TLS version or cipher in common; both sides need TLS 1.3 or 1.2".to_owned()
        }
        TlsError::NoCertificatesPresented => "the other side showed no certificate".to_owned(),
        TlsError::DecryptError => "what came can't be decrypted: it was changed on its way".to_owned(),
        TlsError::AlertReceived(alert) => app_tls::alert_text(*alert),
        // A recorded refusal has a better text: see `of_handshake`.
        TlsError::InvalidCertificate(_) => "the certificate of the other side is not good".to_owned(),
        _ => "TLS failed".to_owned(),
    }
}

/// The error of a call, as text for its caller.
pub(crate) fn of_call(error: &capnp::Error) -> String {
    let text = trailer::text_of(&error.extra);
    let reason = text.strip_prefix(REMOTE).unwrap_or(text);
    match error.kind {
        Kind::Unimplemented => unknown_call(),
        Kind::Failed | Kind::Overloaded | Kind::Disconnected if reason.is_empty() => {
            "it did not say why".to_owned()
        }
        Kind::Failed | Kind::Overloaded | Kind::Disconnected => reason.to_owned(),
        Kind::ReadLimitExceeded => {
            "the answer is too large: it claims more than its bytes can hold".to_owned()
        }
        kind => {
            format!("what was answered is not what the schema says ({kind}); are both sides of one release?")
        }
    }
}

/// The server has no such method, or hides it from this client.
pub(crate) fn unknown_call() -> String {
    format!("{UNKNOWN_CALL}: it is of another release, or of another service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_library_reaches_a_caller() {
        let eof =
            io::Error::new(ErrorKind::UnexpectedEof, "without close_notify: https://docs.rs/rustls/latest");
        assert_eq!(of_io(&eof), "the other side closed it without saying goodbye");
        let no_tls = io::Error::other(TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType));
        assert_eq!(of_io(&no_tls), "what came is not TLS; is it the right port?");
        assert_eq!(of_io(&io::Error::from_raw_os_error(104)), "the other side reset it");
    }

    #[test]
    fn errors_of_calls_are_what_the_server_said() {
        let said = capnp::Error::failed(format!("{REMOTE}rule \"x\": there is none"));
        assert_eq!(of_call(&said), "rule \"x\": there is none");
        let unknown = capnp::Error::unimplemented(format!("{REMOTE}Method not implemented."));
        assert!(of_call(&unknown).starts_with(UNKNOWN_CALL));
        assert_eq!(of_call(&capnp::Error::failed(REMOTE.to_owned())), "it did not say why");
        let claims = capnp::Error::from_kind(Kind::ReadLimitExceeded);
        assert!(of_call(&claims).starts_with("the answer is too large"));
        let decoding = capnp::Error::from_kind(Kind::MessageContainsNullCapabilityPointer);
        assert!(of_call(&decoding).starts_with("what was answered is not what the schema says"));
    }
}
