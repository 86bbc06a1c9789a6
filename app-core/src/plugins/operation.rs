//! Operations as plugins: their declaration, and the functions that they call.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use app_errors::Error;
use app_ids::ServiceId;
use serde_json::Value;

use crate::{
    Origin, Planned,
    operations::{self, Effect, OperationInfo, OperationRole},
};

mod function;
mod macros;
mod params;

#[doc(hidden)]
pub use self::function::checked_operation;
pub(crate) use self::params::Mistake;
pub use self::{
    function::{CheckedOperation, OperationOutput},
    params::{OperationContext, OperationParam, OperationParams},
};

/// An operation, as [`operation!`](crate::operation) declares it.
pub struct Operation {
    service: ServiceId,
    name: &'static str,
    role: OperationRole,
    effect: Effect,
    about: &'static str,
    job: bool,
    function: fn() -> CheckedOperation,
    origin: Origin,
}

/// An operation that is linked into this program.
pub(crate) struct LinkedOperation {
    declared: &'static Operation,
    schemas: OnceLock<Arc<Schemas>>,
}

impl Deref for LinkedOperation {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        self.declared
    }
}

/// What calls of an operation need of its schemas.
#[derive(Debug)]
pub(crate) struct Schemas {
    pub(crate) arguments: Value,
    /// Whether any argument is secret.
    pub(crate) has_secrets: bool,
}

inventory::collect!(Operation);

impl Operation {
    /// An operation of a function that the compiler has checked: for [`operation!`](crate::operation).
    #[doc(hidden)]
    #[must_use]
    pub const fn of_checked(
        service: ServiceId,
        (name, about): (&'static str, &'static str),
        (role, effect): (OperationRole, Effect),
        function: fn() -> CheckedOperation,
        origin: Origin,
    ) -> Self {
        Self { service, name, role, effect, about, job: false, function, origin }
    }

    /// Sets whether a call answers with the id of a job.
    #[doc(hidden)]
    #[must_use]
    pub const fn job(mut self, job: bool) -> Self {
        self.job = job;
        self
    }

    /// The service that offers it.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The lowest role that may call it.
    #[must_use]
    pub const fn role(&self) -> OperationRole {
        self.role
    }

    /// What it does to the application.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// Whether a call answers with the id of a job.
    #[must_use]
    pub const fn is_job(&self) -> bool {
        self.job
    }

    /// Where it was written.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn function(&self) -> CheckedOperation {
        (self.function)()
    }

    /// Its entry in a list.
    pub(crate) fn info(&self, service_name: &str) -> OperationInfo {
        OperationInfo::new(
            (self.service, service_name.to_owned()),
            (self.name, self.about),
            (self.role, self.effect, self.job),
        )
    }

    /// What the parameters of its function find wrong before any service starts.
    pub(crate) fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        self.function().check(planned)
    }
}

impl LinkedOperation {
    pub(crate) fn schemas(&self) -> Arc<Schemas> {
        let made = self.schemas.get_or_init(|| {
            let function = self.function();
            let arguments = function.arguments_schema().unwrap_or_else(operations::no_arguments);
            let has_secrets = arguments.to_string().contains("\"writeOnly\":true");
            Arc::new(Schemas { arguments, has_secrets })
        });
        Arc::clone(made)
    }

    /// The schema of its results. It is made anew each time, because only people ask for it.
    pub(crate) fn result_schema(&self) -> Value {
        self.function().result_schema()
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("service", &self.service)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("effect", &self.effect)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Every operation that is linked into this program, sorted by service and name so that runs are alike.
pub(crate) fn linked_operations() -> &'static [LinkedOperation] {
    static LINKED: OnceLock<Vec<LinkedOperation>> = OnceLock::new();
    LINKED.get_or_init(|| {
        let mut all: Vec<_> = inventory::iter::<Operation>.into_iter().collect();
        let key = |one: &&Operation| (one.service, one.name, one.origin.file, one.origin.line);
        all.sort_by(|a, b| key(a).cmp(&key(b)));
        all.into_iter().map(|declared| LinkedOperation { declared, schemas: OnceLock::new() }).collect()
    })
}
