//! The checks before any service starts. A start and `--check` run the same checks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use app_errors::{Error, errors};
use slog::{info, warn};

use super::operation_checks;
use crate::{
    App, Flags, Planned, ServiceDescriptor, flags,
    graph::Plan,
    ids::APP_SERVICE,
    listeners::Assignment,
    panics,
    plugins::{ListeningService, Preflight},
};

/// Makes the plan of a start. `linked` says that the services are all services that are linked into the program.
///
/// # Errors
/// Every reason why the app cannot start.
pub(crate) fn plan(app: &App, services: &[ServiceDescriptor], linked: bool) -> Result<Plan, Vec<Error>> {
    if services.is_empty() && linked {
        return Err(vec![nothing_linked()]);
    }
    let (plan, mut problems) = match Plan::new(services.to_vec()) {
        Ok(plan) => (plan, Vec::new()),
        Err(problems) => (Plan::default(), problems),
    };
    problems.extend(services.iter().flat_map(|service| parameters(app, services, service)));
    if linked {
        problems.extend(flags::duplicates(&Flags::command()).into_iter().map(ambiguous));
    }
    problems.extend(operation_checks::problems(app, services, linked));
    // Before the checks, which ask who has a listener already.
    problems.extend(assign_listeners(app));
    problems.extend(Preflight::run_all(app));
    if linked && services.iter().all(ServiceDescriptor::is_platform) {
        warn!(
            app.logger(),
            "only services of the platform are linked, and none of the application's own: name its crates in main.rs (`use my_service as _;`, or the link list of `app_core::main!`)"
        );
    }
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

fn nothing_linked() -> Error {
    let message = "no service is linked into this program: name the crates of its services in main.rs (`use my_service as _;`, or the link list of `app_core::main!`)";
    errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(message).build()
}

/// Finds the service of each listener that came from elsewhere.
fn assign_listeners(app: &App) -> Vec<Error> {
    let listeners = &app.host().listeners;
    if listeners.are_all_new() {
        return Vec::new();
    }
    let Assignment { problems, warnings, notes } = listeners.assign(&ListeningService::all(app));
    for warning in warnings {
        warn!(app.logger(), "{warning}");
    }
    for note in notes {
        info!(app.logger(), "{note}");
    }
    let wrong = |problem| errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(problem).build();
    problems.into_iter().map(wrong).collect()
}

fn ambiguous(problem: String) -> Error {
    errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(problem).build()
}

/// Runs the checks of a start function's parameters. They are code of any crate and may panic.
fn parameters(app: &App, services: &[ServiceDescriptor], service: &ServiceDescriptor) -> Vec<Error> {
    let planned = Planned::new(app, services, service);
    catch_unwind(AssertUnwindSafe(|| service.check(&planned))).unwrap_or_else(|panic| {
        let what = panics::message(panic.as_ref());
        let message = format!(
            "service {} ({}): the check of its parameters panicked: {what}",
            service.name(),
            service.id()
        );
        vec![errors::BUG.error(service.id()).message(message).build()]
    })
}
