//! Everything that a start can refuse before a service runs. `--check` asks the same, so the two agree.

use std::panic::{AssertUnwindSafe, catch_unwind};

use app_errors::{Error, errors};
use slog::warn;

use crate::{APP_SERVICE, App, Flags, Planned, Preflight, ServiceDescriptor, flags, graph::Plan, panics};

/// The plan of a start, or every reason why there can be none.
pub(crate) fn plan(app: &App) -> Result<Plan, Vec<Error>> {
    let services = app.descriptors();
    if services.is_empty() && app.inner.linked {
        return Err(vec![nothing_linked()]);
    }
    let (plan, mut problems) = match Plan::new(services.to_vec()) {
        Ok(plan) => (plan, Vec::new()),
        Err(problems) => (Plan::default(), problems),
    };
    problems.extend(services.iter().flat_map(|service| parameters(app, service)));
    if app.inner.linked {
        problems.extend(flags::duplicates(&Flags::command()).into_iter().map(ambiguous));
    }
    problems.extend(Preflight::run_all(app));
    if app.inner.linked && services.iter().all(ServiceDescriptor::is_platform) {
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

fn ambiguous(problem: String) -> Error {
    errors::SERVICE_INIT_FAILED.error(APP_SERVICE).message(problem).build()
}

/// What the parameters of a start function find wrong, which is code of any crate.
fn parameters(app: &App, service: &ServiceDescriptor) -> Vec<Error> {
    catch_unwind(AssertUnwindSafe(|| service.check(&Planned::new(app, service)))).unwrap_or_else(|panic| {
        let what = panics::message(panic.as_ref());
        let message = format!(
            "service {} ({}): the check of its parameters panicked: {what}",
            service.name(),
            service.id()
        );
        vec![errors::BUG.error(service.id()).message(message).build()]
    })
}
