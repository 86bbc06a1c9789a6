//! Making a connection, and saying in full why that failed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use app_core::prelude::Service;
use async_nats::{AuthError, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};
use futures_util::FutureExt;
use tokio::time::timeout;

use super::Settings;
use super::link::{Link, ServerSigns, shown};

/// How often a server is asked for a sign of life. Two that have no answer end the connection.
const PING_EVERY: Duration = Duration::from_secs(10);

/// How many messages may wait in the client between the socket and this crate, for each subscription.
const QUEUE: usize = 8_192;

/// Connects to one server, `host:port`, and proves that answers arrive.
pub(super) async fn connect(
    settings: &Arc<Settings>,
    address: &str,
    number: u64,
    service: &Service,
) -> Result<Arc<Link>, String> {
    let scheme = if settings.tls.is_some() { "tls" } else { "nats" };
    let address: ServerAddr =
        format!("{scheme}://{address}").parse().map_err(|error| format!("it is no address: {error}"))?;
    let signs = Arc::new(ServerSigns::default());
    let options = options(settings, &signs);
    // A server may answer what the client panics at. The panic is in this task until the connection is made.
    let connecting = AssertUnwindSafe(async_nats::connect_with_options(address, options)).catch_unwind();
    let (connected, handshake) =
        app_tls::record_handshake(timeout(settings.connect_timeout, connecting)).await;
    let client = match connected {
        Ok(Ok(Ok(client))) => client,
        Ok(Ok(Err(error))) => {
            return Err(reason(settings, &error, handshake.rejection.map(|(_, words)| words)));
        }
        Ok(Err(_panic)) => return Err("what answers is no NATS server".to_owned()),
        Err(_elapsed) => {
            return Err(format!(
                "no answer within {:?}, the connectMillis of the config",
                settings.connect_timeout
            ));
        }
    };
    signs.used.store(true, Ordering::Release);
    Link::take_over(client, signs, settings, number, service).await
}

fn options(settings: &Arc<Settings>, signs: &Arc<ServerSigns>) -> ConnectOptions {
    let (proves, used) = (Arc::clone(settings), Arc::clone(signs));
    let answer = move |nonce: Vec<u8>| {
        std::future::ready(if used.used.load(Ordering::Acquire) {
            Err(AuthError::new("the connection is made anew, not again"))
        } else {
            proves.proof.answer(&nonce)
        })
    };
    let told = Arc::clone(signs);
    let mut options = ConnectOptions::with_auth_callback(answer)
        .name(&settings.name)
        .connection_timeout(settings.connect_timeout)
        .ping_interval(PING_EVERY)
        .subscription_capacity(QUEUE)
        // Subjects are checked by this crate.
        .skip_subject_validation(true)
        .ignore_discovered_servers()
        // The fewest that it allows. The proof is refused then, so it ends.
        .max_reconnects(1)
        .reconnect_delay_callback(|_| Duration::ZERO)
        .event_callback(move |event| {
            told.take(&event);
            std::future::ready(())
        });
    if let Some(tls) = &settings.tls {
        options = options.require_tls(true).tls_client_config((*tls.config).clone());
        if tls.first {
            options = options.tls_first();
        }
    }
    options
}

/// Why connecting failed, with the cure where it is known.
fn reason(settings: &Settings, error: &ConnectError, certificate: Option<String>) -> String {
    if let Some(words) = certificate {
        return format!("the certificate of the server is refused: {words}");
    }
    let text = shown(&error.to_string());
    let about_tls =
        text.contains("certificate") || text.contains("alert") || error.kind() == ConnectErrorKind::Tls;
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => {
            format!("the server refuses the account; check {}", settings.proof.fields())
        }
        ConnectErrorKind::Authentication => {
            format!("the account can't be proven: {text}; check {}", settings.proof.fields())
        }
        ConnectErrorKind::TimedOut => {
            format!("no answer within {:?}, the connectMillis of the config", settings.connect_timeout)
        }
        ConnectErrorKind::Dns => format!("the name of the server is not found: {text}"),
        _ if about_tls && settings.tls.is_none() => {
            "the server asks for TLS; set caCert to the authority of its certificate".to_owned()
        }
        _ => text,
    }
}
