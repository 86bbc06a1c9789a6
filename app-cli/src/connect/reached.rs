//! What is said of an app that could not be reached, or that said no: why, and what to do about it.

use std::net::SocketAddr;
use std::time::Duration;

use app_rpc::Refusal;

use crate::failure::{Failure, Status};
use crate::output::human;
use crate::target::Target;

/// Why there is no connection, and the cure.
pub(super) fn why_not(target: &Target, address: SocketAddr, refusal: Option<Refusal>, why: &str) -> String {
    let place = format!("{address}: ");
    let why = why.strip_prefix(&place).unwrap_or(why);
    let (ca, cert) = (target.ca.display(), target.cert.display());
    let said = match refusal {
        None if why.contains("refused") => {
            "connection refused: nothing listens there; is the app running, with a config of its RPC server?"
                .to_owned()
        }
        None => why.to_owned(),
        Some(Refusal::HandshakeTimeout) => {
            format!("{why}: something listens there, but does not answer; is it the RPC port of the app?")
        }
        Some(Refusal::WrongName) => {
            let name = &target.name;
            format!(
                "the certificate shown there is not that of {name}: another app, or wrong ids in the context"
            )
        }
        Some(Refusal::UnknownAuthority) => {
            format!(
                "the certificate shown there is of no authority in {ca}: another app, or the wrong authority ({why})"
            )
        }
        Some(Refusal::BadCertificate) => {
            format!("the certificate shown there is not good: {why}; was the authority in {ca} made anew?")
        }
        Some(Refusal::Expired) => {
            format!("the certificate of the app has expired: have a new one issued ({why})")
        }
        Some(Refusal::NotYetValid) => {
            format!("the certificate of the app is not valid yet: are both clocks right? ({why})")
        }
        Some(Refusal::Revoked) => "the certificate of the app was revoked".to_owned(),
        Some(Refusal::RevocationListExpired) => {
            format!("the revocation list of the context is past its next update: get the current one ({why})")
        }
        Some(Refusal::RevocationUnknown) => {
            "no revocation list of the context says of the app's certificate: it takes one of every authority"
                .to_owned()
        }
        Some(Refusal::WrongPurpose) => "the certificate shown there may not be used by servers".to_owned(),
        Some(Refusal::WrongOrder) => {
            "the app shows its chain in the wrong order: its own certificate has to be the first".to_owned()
        }
        Some(Refusal::NotTls | Refusal::Incompatible) => {
            format!("no TLS that both sides know: {why}; is it the RPC port of the app?")
        }
        Some(Refusal::ByPeer) => by_peer(why, &cert.to_string()),
        Some(Refusal::Disconnected) => {
            format!("the connection was closed while it was made: {why}; is it the RPC port of the app?")
        }
        Some(_) => why.to_owned(),
    };
    format!("{address}: {said}")
}

/// The other side refused.
fn by_peer(why: &str, cert: &str) -> String {
    match why.split_once("does not accept our certificate: ") {
        Some((_, reason)) => format!("the app does not accept certificate {cert}: {reason}"),
        None => format!("the app refused the connection: {why}"),
    }
}

/// Nothing came at all.
pub(super) fn silent(address: SocketAddr, limit: Duration) -> String {
    format!("{address}: no answer within {}", human(limit))
}

/// The app was asked, and said no.
pub(super) fn said_no(address: SocketAddr, reason: &str) -> Failure {
    if let Some(denied) = denied(reason) {
        return Failure::new(Status::Denied, format!("{address}: {denied}"));
    }
    if reason.starts_with(app_rpc::UNKNOWN_CALL) {
        let cure =
            "the app does not know this command: it is older than appctl; use the appctl of its release";
        return Failure::failed(format!("{address}: {cure}"));
    }
    Failure::failed(format!("{address}: {reason}"))
}

/// The text of a denial: it names the role that the call needs.
fn denied(reason: &str) -> Option<&str> {
    reason.starts_with("denied").then_some(reason)
}
