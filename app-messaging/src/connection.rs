//! The connection of the service: it follows the config, and says what is wrong.

use std::sync::{Arc, Weak};
use std::time::Duration;

use app_config::{Configured, LiveConfig};
use app_core::{App, prelude::*};
use app_tls::{Expiry, ExpiryWatch};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::MessagingConfig;
use crate::errors::CONNECTION_UNUSABLE;
use crate::ids::{CONNECTION_CHANGES, MESSAGING_SERVICE_ID};
use crate::nats::{LinkMeters, Nats, Settings, Shared};

/// The longest time that a start waits for the first connection.
const FIRST: Duration = Duration::from_secs(5);

/// The connection of an app, while its service runs.
#[derive(Default)]
struct CurrentConnection(Mutex<Weak<Shared>>);

/// What is wrong with the connection of this app, if it has one and anything is.
pub(crate) fn trouble(app: &App) -> Option<String> {
    let kept = app.kept::<CurrentConnection>();
    let shared = kept.0.lock().upgrade()?;
    Nats::from(shared).trouble()
}

/// The name that the servers show of this application.
fn name(app: &App) -> String {
    let identity = app.identity();
    format!("op-{}-{} {}", identity.domain, identity.app, identity.instance)
}

fn settings(config: &MessagingConfig, app: &App) -> Result<Arc<Settings>, Error> {
    Settings::of(config, name(app)).map(Arc::new).map_err(|wrong| {
        let message = format!("messaging: {wrong}; correct the config");
        CONNECTION_UNUSABLE.error(MESSAGING_SERVICE_ID).message(message).build()
    })
}

/// Connects, and follows the config while the service runs. Without a server it tries again in the background.
///
/// # Errors
/// No connection can ever be made with the config. `ServiceNotAlive`.
pub(crate) async fn start(
    service: &Service,
    config: LiveConfig<MessagingConfig>,
    meters: LinkMeters,
) -> Result<Nats, Error> {
    let app = App::of(service);
    let first = config.current();
    let (changes, wanted) = watch::channel(settings(&first, &app)?);
    let expiry = Arc::new(ExpiryWatch::new(service));
    show(&expiry, &first);
    let (follower, watcher) = (service.clone(), Arc::clone(&expiry));
    service.spawn("messaging config", async move { follow(follower, config, changes, watcher).await })?;
    let wait = FIRST.min(first.connect_timeout);
    let nats = Nats::start(service, wanted, meters, wait).await?;
    *app.kept::<CurrentConnection>().0.lock() = nats.downgrade();
    Ok(nats)
}

/// Shows when the certificates end.
fn show(expiry: &ExpiryWatch, config: &MessagingConfig) {
    let tls = config.tls.as_ref();
    let pair = tls.and_then(|tls| tls.key_pair.as_ref().map(|pair| (pair, &tls.servers)));
    expiry.show(pair.map(|(pair, servers)| Expiry::of_client(pair, servers)).unwrap_or_default());
}

async fn follow(
    service: Service,
    mut config: LiveConfig<MessagingConfig>,
    changes: watch::Sender<Arc<Settings>>,
    expiry: Arc<ExpiryWatch>,
) {
    let app = App::of(&service);
    let mut last = config.current();
    loop {
        let changed = tokio::select! {
            changed = config.changed() => changed,
            () = expiry.run() => None,
        };
        let Some(changed) = changed else { break };
        tell(&service, &last, &changed);
        if changed.servers.is_empty() {
            // Only a start decides where messages go.
            continue;
        }
        match settings(&changed, &app) {
            Ok(settings) => {
                show(&expiry, &changed);
                // The keeper is gone with the service.
                let _ = changes.send(settings);
                last = changed;
            }
            Err(error) => error!(service.log(), "the connection stays as it is: {}", error;
                "event" => CONNECTION_CHANGES.hex()),
        }
    }
    expiry.clear();
}

/// Says which changes need a start.
fn tell(service: &Service, last: &Configured<MessagingConfig>, changed: &Configured<MessagingConfig>) {
    let fields = last.changes_for_the_next_start(changed);
    if !fields.is_empty() {
        warn!(service.log(), "messaging takes over these fields of its config at the next start: {}", fields.join(", ");
            "event" => CONNECTION_CHANGES.hex());
    }
}
