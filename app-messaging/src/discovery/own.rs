//! What this instance tells of itself.

use std::collections::BTreeMap;

use app_core::App;
use app_core::plugins::discovery::AnnouncedEndpoint;

use super::instance::{ADDRESS, RPC, SERVER_NAME};
use super::service_name;

/// The ids of this instance, its state, and its servers.
pub(super) fn metadata(app: &App, endpoints: Vec<AnnouncedEndpoint>) -> BTreeMap<String, String> {
    let identity = app.identity();
    let mut metadata: BTreeMap<_, _> = [
        ("domain", identity.domain.hex()),
        ("app", identity.app.hex()),
        ("instance", identity.instance.hex()),
        ("release", identity.release.hex()),
        ("state", state(app).to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    for AnnouncedEndpoint { service, server_name, address } in endpoints {
        metadata.insert(format!("{RPC}{service}{ADDRESS}"), address.to_string());
        metadata.insert(format!("{RPC}{service}{SERVER_NAME}"), server_name);
    }
    metadata
}

/// The name of this application.
pub(super) fn own_name(app: &App) -> String {
    service_name(app.domain(), app.id())
}

fn state(app: &App) -> &'static str {
    if app.cause().is_some() {
        return "stopping";
    }
    if app_health::readiness(app).reasons.is_empty() {
        return "ready";
    }
    if app.readiness().reasons == ["starting"] { "starting" } else { "not_ready" }
}
