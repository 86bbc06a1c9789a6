//! What can be found wrong with operations before any service starts.

use std::collections::BTreeMap;

use app_errors::{Error, errors};
use app_ids::ServiceId;
use serde_json::Value;

use crate::{
    App, Planned, ServiceDescriptor,
    ids::APP_SERVICE,
    operations::{RESERVED_FLAGS, flag_of, is_operation_name},
    panics,
    plugins::{LinkedOperation, linked_operations},
    service::APP_NAME,
    spec::Origin,
};

/// Every problem with the operations of these services. `linked` says that they are all services of the program.
pub(super) fn problems(app: &App, services: &[ServiceDescriptor], linked: bool) -> Vec<Error> {
    let own = own_descriptor();
    let mut found = Vec::new();
    let mut before: Option<&LinkedOperation> = None;
    for operation in linked_operations() {
        let service = match services.iter().find(|service| service.id() == operation.service()) {
            Some(service) => service,
            None if operation.service() == APP_SERVICE => &own,
            None => {
                if linked {
                    let problem =
                        "no service with this id is linked; name its crate in main.rs, or correct `of`";
                    found.push(problem_with(operation, "", problem));
                }
                continue;
            }
        };
        let name = service.name();
        if let Some(before) = before.replace(operation).filter(|before| is_same(before, operation)) {
            let problem = format!("has this name twice, here and {}; rename one", before.origin());
            found.push(problem_with(operation, name, &problem));
        }
        if name == APP_NAME && operation.service() != APP_SERVICE {
            let problem = "belongs to a service with the name of the application itself; rename the service";
            found.push(problem_with(operation, name, problem));
        }
        found.extend(problems_of(operation, name, services));
        let planned = Planned::new(app, services, service);
        // The code of any crate, which may panic.
        let of_parameters = panics::catch_panic(|| operation.check(&planned));
        found.extend(of_parameters.unwrap_or_else(|panicked| {
            let problem = format!("the check of its parameters panicked: {}", panicked.message);
            vec![problem_with(operation, name, &problem)]
        }));
    }
    found
}

fn is_same(a: &LinkedOperation, b: &LinkedOperation) -> bool {
    (a.service(), a.name()) == (b.service(), b.name())
}

/// A descriptor in place of that of the application itself, which has none.
fn own_descriptor() -> ServiceDescriptor {
    let start = |_| -> crate::StartFuture { Box::pin(std::future::pending()) };
    let place = Origin::new("app-core", "", file!(), line!());
    ServiceDescriptor::new(APP_SERVICE, APP_NAME, Vec::new, start, place)
}

fn problem_with(operation: &LinkedOperation, service: &str, problem: &str) -> Error {
    let message = format!(
        "operation {:?} of service {service} ({}), {}: {problem}",
        operation.name(),
        operation.service(),
        operation.origin()
    );
    errors::SERVICE_INIT_FAILED.error(operation.service()).message(message).build()
}

/// Problems with one operation alone.
fn problems_of(operation: &LinkedOperation, service: &str, services: &[ServiceDescriptor]) -> Vec<Error> {
    let mut found = Vec::new();
    if !is_operation_name(operation.name()) {
        found.push("its name is not 1 to 64 of a to z, 0 to 9 and -; rename it".to_owned());
    }
    let function = operation.function();
    let missing = |id: &ServiceId| !services.iter().any(|service| service.id() == *id);
    for id in function.needs().into_iter().filter(|id| missing(id)) {
        found.push(format!("it needs service {}, which is not linked", id.describe()));
    }
    if function.takes_job() && !operation.is_job() {
        found.push("its function takes a `Job`; add `job: true`".to_owned());
    }
    if function.arguments().len() > 1 {
        found.push("its function takes two `Args`; put all fields into one type".to_owned());
    }
    match panics::catch_panic(|| operation.schemas()) {
        Ok(schemas) => found.extend(problems_of_arguments(&schemas.arguments)),
        Err(panicked) => found.push(format!("making its schemas panicked: {}", panicked.message)),
    }
    found.into_iter().map(|problem| problem_with(operation, service, &problem)).collect()
}

fn problems_of_arguments(schema: &Value) -> Vec<String> {
    if schema.get("type").is_some_and(|of| of != "object") {
        return vec!["its arguments are no object; use a struct with fields".to_owned()];
    }
    let mut found = Vec::new();
    let mut flags = BTreeMap::new();
    let fields = schema.get("properties").and_then(Value::as_object);
    for field in fields.into_iter().flat_map(|fields| fields.keys()) {
        let Some(flag) = flag_of(field) else { continue };
        if RESERVED_FLAGS.contains(&flag.as_str()) {
            found.push(format!(
                "the flag of its argument {field} is --{flag}, which `appctl do` has; rename it"
            ));
        }
        if let Some(other) = flags.insert(flag.clone(), field) {
            found.push(format!("its arguments {other} and {field} have one flag, --{flag}; rename one"));
        }
    }
    found
}
