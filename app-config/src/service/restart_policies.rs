//! The config of the config service: restart policies of services, in place of those in the code.
//!
//! The kernel does not know configs. It takes policies by service id ([`App::set_restart_policies`]).

use std::{collections::BTreeSet, time::Duration};

use app_core::{
    Restart,
    plugins::Preflight,
    preflight,
    prelude::{App, Error, ServiceId, error, info},
};
use schema::config_capnp::{RestartAfter, config_service_spec, restart_policy_spec};

use crate::configs::{ConfigDir, Configs, LoadError, upcoming};
use crate::events::CAPNP_ERR;
use crate::file::Located;
use crate::ids::CONFIG_SERVICE_ID;
use crate::problems::{Expected, Place, Problems, counted};
use crate::value::Config;

/// Upper bound of `maxRestarts`. The kernel keeps the time of each failure.
const MAX_RESTARTS: u32 = 1_000;
/// Upper bound of `windowSeconds`, a day.
const MAX_WINDOW_SECONDS: u32 = 86_400;
/// Upper bound of both backoffs, an hour.
const MAX_BACKOFF_MILLIS: u32 = 3_600_000;

crate::config! { RestartPolicies, "Restart policies of services, in place of those in the code." }

preflight! { Preflight::new("restart policies", check) }

/// Restart policies by service, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestartPolicies(Vec<(ServiceId, Restart)>);

impl Config for RestartPolicies {
    const SERVICE: ServiceId = CONFIG_SERVICE_ID;
    type Schema = config_service_spec::Owned;

    fn read(spec: config_service_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut list = problems.at("restartPolicies");
        let (mut policies, mut seen) = (Vec::new(), BTreeSet::new());
        for (index, policy) in list.value(spec.get_restart_policies())?.iter().enumerate() {
            let mut place = list.index(index);
            let id = ServiceId::new(policy.get_service_id());
            if id.is_zero() {
                place.field("serviceId").add("must not be zero");
            } else if !seen.insert(id) {
                let wrong = format_args!("service {} is there twice", id.describe());
                place.field("serviceId").add_in_full("is of a service that is there twice", wrong);
            }
            policies.push((id, read(policy, &mut place)?));
        }
        Some(Self(policies))
    }

    fn without_file() -> Self {
        Self(Vec::new())
    }
}

fn read(policy: restart_policy_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Restart> {
    let after = match policy.get_after() {
        Ok(RestartAfter::Never) => Restart::never(),
        Ok(RestartAfter::OnFailure) => Restart::on_failure(),
        Ok(RestartAfter::Always) => Restart::always(),
        Err(unknown) => {
            let wrong = format_args!("is no value of this release: {}", unknown.0);
            place.field("after").add_in_full("is no value of this release", wrong);
            return None;
        }
    };
    let mut within = |field, value, least, most| {
        if !(least..=most).contains(&value) {
            place
                .field(field)
                .add_found(Expected::of_code(format_args!("must be from {least} to {most}")), value);
        }
    };
    let (max_restarts, window) = (policy.get_max_restarts(), policy.get_window_seconds());
    let (shortest, longest) = (policy.get_backoff_shortest_millis(), policy.get_backoff_longest_millis());
    within("maxRestarts", max_restarts, 0, MAX_RESTARTS);
    within("windowSeconds", window, 1, MAX_WINDOW_SECONDS);
    within("backoffShortestMillis", shortest, 1, MAX_BACKOFF_MILLIS);
    within("backoffLongestMillis", longest, 1, MAX_BACKOFF_MILLIS);
    if shortest > longest {
        let wrong = format_args!("must be at most backoffLongestMillis ({longest}), found {shortest}");
        place.field("backoffShortestMillis").add_in_full("must be at most backoffLongestMillis", wrong);
    }
    let millis = |millis: u32| Duration::from_millis(millis.into());
    let policy = after.max_restarts(max_restarts).window(Duration::from_secs(window.into()));
    Some(policy.backoff(millis(shortest), millis(longest)))
}

impl RestartPolicies {
    /// Adds a problem for every policy of a service that the application does not have.
    fn unknown(&self, app: &App, mut problems: Problems) -> Problems {
        for (index, (id, _)) in self.0.iter().enumerate() {
            if app.restart_policy(*id).is_none() {
                let mut list = problems.at("restartPolicies");
                let mut place = list.index(index);
                let wrong = format_args!("no service of this application has the id {id:#x}");
                place.field("serviceId").add_in_full("no service of this application has this id", wrong);
            }
        }
        problems
    }
}

/// Reports, before a start, every policy of a service that does not exist.
fn check(app: &App) -> Vec<Error> {
    // The check of all files reports a file that is refused.
    let Some(policies) = upcoming::<RestartPolicies>(app) else { return Vec::new() };
    let file = ConfigDir::new(app.config_dir()).file(CONFIG_SERVICE_ID);
    let error =
        |problem| Located::in_file(&file, LoadError::Problems(vec![problem])).of_service(CONFIG_SERVICE_ID);
    policies.unknown(app, policies.problems()).into_vec().into_iter().map(error).collect()
}

/// Puts the policies of the config in effect. If the config is bad, the policies in effect stay.
pub(crate) fn apply(configs: &Configs, app: &App) {
    // The refusal of a config is already logged.
    let Ok(policies) = configs.load::<RestartPolicies>() else { return };
    let unknown = policies.unknown(app, policies.problems());
    let set = unknown.is_empty() && app.set_restart_policies(policies.0.iter().copied()).is_ok();
    if !set {
        error!(configs.log(), "restart policies: the config is refused, those in effect stay: {unknown}";
            "event" => %CAPNP_ERR, "config" => %CONFIG_SERVICE_ID);
    } else if !policies.0.is_empty() {
        let each = policies.0.iter().map(|(id, policy)| format!("{}: {policy}", id.describe()));
        let shown = if policies.is_sealed() {
            counted(policies.0.len() as u64, "service")
        } else {
            each.collect::<Vec<_>>().join("; ")
        };
        info!(configs.log(), "restart policies from the config are in effect: {shown}");
    }
}

#[cfg(test)]
mod tests;
