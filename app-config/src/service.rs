//! The config service. It gives other services their configs, and checks all configs before a start.

mod params;
mod restart_policies;
mod show;

use std::sync::Arc;

use app_core::prelude::{App, Error, Service, info, warn};
use app_core::{
    plugins::{Preflight, ServiceSpec},
    preflight,
};
use parking_lot::Mutex;

use crate::configs::{self, ConfigDir, Configs, DirectoryCheck, Kept, check_against};
use crate::events::CONFIG_LOADING_ERR;
use crate::ids::{CONFIG_SERVICE_ID, label};
use crate::schema::ConfigSchema;
use crate::sealing::named_identities;

app_core::service! { id: CONFIG_SERVICE_ID, name: "config", start: start, infrastructure: true }

preflight! { Preflight::new("configs", check_configs) }

/// Empty until the first start of the config service.
#[derive(Debug, Default)]
struct KeptConfigs(Mutex<Option<Arc<Kept>>>);

// `service!` takes an async function. This one has nothing to wait for.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(service: Service) -> Result<Configs, Error> {
    let app = &App::of(&service);
    let slot = app.kept::<KeptConfigs>();
    let before = slot.0.lock().clone();
    let is_first = before.is_none();
    let kept = match before {
        Some(kept) => kept,
        None => Arc::new(Kept::read(app)?),
    };
    *slot.0.lock() = Some(kept.clone());
    let configs = Configs::new(kept, service.log().clone());
    if !is_first {
        configs.renew_identities(app);
    }
    restart_policies::apply(&configs, app);
    service.spawn("reload", configs::watch(service.clone(), configs.clone(), app.reloads()))?;
    Ok(configs)
}

/// Reads every config before any service starts, so that all mistakes are reported at once. A start and `--check` run it.
fn check_configs(app: &App) -> Vec<Error> {
    let directory = DirectoryCheck::new(app);
    if let Some(problem) = directory.problem() {
        return vec![problem];
    }
    let (dir, refused) = ConfigDir::of(app);
    let services: Vec<_> = app.service_specs().iter().map(ServiceSpec::id).collect();
    let checked = check_against(&dir, &ConfigSchema::linked(), &services);
    directory.warn_of_no_configs(&dir);
    for warning in checked.warnings {
        warn!(app.logger(), "{warning}"; "event" => %CONFIG_LOADING_ERR);
    }
    for note in checked.notes {
        info!(app.logger(), "{note}");
    }
    for service in checked.unused {
        warn!(app.logger(), "{} is not used: no service of this program has a config of that name", label(service);
            "event" => %CONFIG_LOADING_ERR, "config" => %service);
    }
    let identities = refused.map(|refused| {
        refused.named_by(named_identities(app.flags()).and_then(|named| named.source)).of_identities()
    });
    identities.into_iter().chain(checked.problems).collect()
}
