//! The operation `app whoami`: who the caller is, and what it may do.

use app_errors::Error;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{APP_SERVICE, App, operations::Caller};

crate::operation! {
    of: APP_SERVICE,
    name: "whoami",
    role: Read,
    effect: Reads,
    about: "Shows your names and your role, and which operations you may call.",
    run: whoami,
}

/// Who the caller is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Whoami {
    /// The names in the certificate of the caller.
    names: Vec<String>,
    /// `read`, `operate` or `admin`.
    role: String,
    /// The operations that the caller may call, each as the name of the service and that of the operation.
    may: Vec<String>,
    /// Those that need a higher role.
    may_not: Vec<Denied>,
}

/// An operation that the caller may not call.
#[derive(Debug, Serialize, JsonSchema)]
struct Denied {
    /// The name of the service and that of the operation.
    operation: String,
    /// The role that it needs.
    role: String,
}

async fn whoami(app: App, caller: Caller) -> Result<Whoami, Error> {
    let (mut may, mut may_not) = (Vec::new(), Vec::new());
    for operation in app.operations() {
        let name = format!("{} {}", operation.service_name, operation.name);
        if operation.role <= caller.role {
            may.push(name);
        } else {
            may_not.push(Denied { operation: name, role: operation.role.to_string() });
        }
    }
    Ok(Whoami { names: caller.names, role: caller.role.to_string(), may, may_not })
}
