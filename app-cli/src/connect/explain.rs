//! Error texts for an app that was not reached or that answered with an error: the reason, and what to do.

use std::net::SocketAddr;
use std::time::Duration;

use app_rpc::Refusal;

use crate::failure::{Failure, Status};
use crate::output::human;
use crate::target::Target;

/// What to do if the app is too old for a command.
pub(crate) const TOO_OLD: &str =
    "the app does not know this command, because it is older than appctl; use the appctl of its release";

/// Why there is no connection, and what to do.
pub(super) fn why_not(target: &Target, address: SocketAddr, refusal: Option<Refusal>, why: &str) -> String {
    let place = format!("{address}: ");
    let why = why.strip_prefix(&place).unwrap_or(why);
    let (ca, cert) = (target.ca.display(), target.cert.display());
    let said = match refusal {
        None if why.contains("refused") => {
            "connection refused: nothing listens there; start the app, with a config for the service rpc"
                .to_owned()
        }
        None => why.to_owned(),
        Some(Refusal::HandshakeTimeout) => {
            format!("{why}: something listens there, but does not answer; check that it is the RPC port of the app")
        }
        Some(Refusal::WrongName) => {
            let name = &target.name;
            format!(
                "the certificate shown there is not that of {name}; check the address and the ids of the context"
            )
        }
        Some(Refusal::UnknownAuthority) => {
            format!(
                "the certificate shown there is of no authority in {ca}; check the address and the authorities ({why})"
            )
        }
        Some(Refusal::BadCertificate) => {
            format!("the certificate shown there is bad: {why}; the authority in {ca} may have been replaced")
        }
        Some(Refusal::Expired) => {
            format!("the certificate of the app has expired; issue a new one ({why})")
        }
        Some(Refusal::NotYetValid) => {
            format!("the certificate of the app is not valid yet; check the clocks of both machines ({why})")
        }
        Some(Refusal::Revoked) => "the certificate of the app was revoked".to_owned(),
        Some(Refusal::RevocationListExpired) => {
            format!("the revocation list of the context is past its next update; get the current one ({why})")
        }
        Some(Refusal::RevocationUnknown) => {
            "no revocation list of the context covers the app's certificate; the context needs a list of every authority"
                .to_owned()
        }
        Some(Refusal::WrongPurpose) => "the certificate shown there is not for servers".to_owned(),
        Some(Refusal::WrongOrder) => {
            "the app shows its certificates in the wrong order; its own certificate must be the first".to_owned()
        }
        Some(Refusal::NotTls | Refusal::Incompatible) => {
            format!("no TLS version in common: {why}; check that it is the RPC port of the app")
        }
        Some(Refusal::ByPeer) => by_peer(why, &cert.to_string()),
        Some(Refusal::Disconnected) => {
            format!("the connection was closed during the handshake: {why}; check that it is the RPC port of the app")
        }
        Some(_) => why.to_owned(),
    };
    format!("{address}: {said}")
}

/// The app refused the connection.
fn by_peer(why: &str, cert: &str) -> String {
    match why.split_once("does not accept our certificate: ") {
        Some((_, reason)) => format!("the app does not accept certificate {cert}: {reason}"),
        None => format!("the app refused the connection: {why}"),
    }
}

/// The app sent nothing.
pub(super) fn silent(address: SocketAddr, limit: Duration) -> String {
    format!("{address}: no answer within {}", human(limit))
}

/// The app answered with an error.
pub(super) fn answered_with_error(address: SocketAddr, reason: &str) -> Failure {
    if let Some(denied) = denied(reason) {
        return Failure::new(Status::Denied, format!("{address}: {denied}"));
    }
    if reason.starts_with(app_rpc::UNKNOWN_CALL) {
        return Failure::failed(format!("{address}: {TOO_OLD}"));
    }
    Failure::failed(format!("{address}: {reason}"))
}

/// The text of a denial: it names the role that the call needs.
fn denied(reason: &str) -> Option<&str> {
    reason.starts_with("denied").then_some(reason)
}
