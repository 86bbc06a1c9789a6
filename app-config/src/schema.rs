//! The schemas that the linked services registered. They describe and judge configs while their services do not run.

use std::any::{TypeId, type_name};

use app_core::prelude::{Error, ServiceId, errors};
use app_core::{Identity, plugins::Planned};
use app_ids::{AppId, DomainId};
use capnp::introspect::{Introspect, Type, TypeVariant};
use capnp::schema::StructSchema;

use crate::codec::Message;
use crate::problems::{Problems, Remark};
use crate::value::{self, Config};

/// Reads a config as its service does. Returns the remarks on a good one, or every problem.
type Judge = fn(Message, Option<&Identity>, Problems) -> Result<Vec<Remark>, Problems>;

/// The schema of a service's config. [`config!`](macro@crate::config) registers it.
#[derive(Clone, Copy)]
pub struct ConfigSchema {
    service: ServiceId,
    doc: &'static str,
    introspect: fn() -> Type,
    judge: Judge,
    example: fn(DomainId, AppId) -> Option<String>,
    config: fn() -> (TypeId, &'static str),
    place: (&'static str, u32),
}

inventory::collect!(ConfigSchema);

impl ConfigSchema {
    /// The schema of a config type. `file` and `line` say where it is registered, for error messages.
    #[must_use]
    pub const fn of<C: Config>(doc: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            service: C::SERVICE,
            doc,
            introspect: <C::Schema as Introspect>::introspect,
            judge: judge::<C>,
            example: C::example,
            config: || (TypeId::of::<C>(), type_name::<C>()),
            place: (file, line),
        }
    }

    /// The service whose config it is.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// The name of the service, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        self.service.name()
    }

    /// What the config is about, in one line.
    #[must_use]
    pub const fn doc(&self) -> &'static str {
        self.doc
    }

    /// The Cap'n Proto struct: its fields, their types and defaults.
    #[must_use]
    pub fn struct_schema(&self) -> Option<StructSchema> {
        match (self.introspect)().which() {
            TypeVariant::Struct(schema) => Some(schema.into()),
            _ => None,
        }
    }

    /// Checks whether the service accepts the message as its config.
    ///
    /// # Errors
    /// All problems of the message.
    pub fn validate(&self, message: Message) -> Result<(), Problems> {
        self.validate_into(message, Problems::new())
    }

    /// As [`validate`](Self::validate), adding to `problems`. Pass [`Problems::hiding_values`] for a sealed config.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn validate_into(&self, message: Message, problems: Problems) -> Result<(), Problems> {
        self.judge(message, None, problems).map(drop)
    }

    /// As [`validate_into`](Self::validate_into), for an application if it is known. Returns the remarks on an accepted config.
    pub(crate) fn judge(
        &self,
        message: Message,
        application: Option<&Identity>,
        problems: Problems,
    ) -> Result<Vec<Remark>, Problems> {
        (self.judge)(message, application, problems)
    }

    /// The values that the service has for an example of its config: [`Config::example`].
    #[must_use]
    pub fn example(&self, domain: DomainId, app: AppId) -> Option<String> {
        (self.example)(domain, app)
    }

    /// Where it is registered: source file and line.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.place.0, self.place.1)
    }

    /// Every schema that is linked into this program, sorted by service.
    #[must_use]
    pub fn linked() -> Vec<Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().copied().collect();
        all.sort_by_key(|schema| (schema.service, schema.place));
        all
    }
}

impl std::fmt::Debug for ConfigSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigSchema")
            .field("service", &self.service)
            .field("doc", &self.doc)
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

/// Checks that `C` is the registered config type of its service, and that the application has the service.
///
/// # Errors
/// `ServiceInitFailed`. It names the service and the type, and says what to do.
pub(crate) fn expect<C: Config>(planned: &Planned<'_>) -> Result<(), Error> {
    let taker = planned.service().id();
    let refused = |wrong: String| {
        let (taker, wanted) = (taker.describe(), type_name::<C>());
        let message = format!(
            "service {taker} takes the config {wanted} of service {}, {wrong}",
            C::SERVICE.describe()
        );
        Err(errors::SERVICE_INIT_FAILED.error(planned.service().id()).message(message).build())
    };
    if planned.find(C::SERVICE).is_none() {
        return refused(
            "which is not linked: correct the id (Config::SERVICE), or link the service".to_owned(),
        );
    }
    let registered = inventory::iter::<ConfigSchema>.into_iter().find(|schema| schema.service == C::SERVICE);
    match registered.map(|schema| (schema, (schema.config)())) {
        None => refused(
            "and no schema is registered for it: register the type with `app_config::config!`".to_owned(),
        ),
        Some((schema, (id, name))) if id != TypeId::of::<C>() => {
            refused(format!("whose schema is registered for {name} ({}): take that one", schema.place()))
        }
        Some(_) => Ok(()),
    }
}

fn judge<C: Config>(
    message: Message,
    application: Option<&Identity>,
    problems: Problems,
) -> Result<Vec<Remark>, Problems> {
    value::judge::<C>(message, application, problems).map(|accepted| accepted.remarks)
}

/// Registers a [`Config`] with one line that says what it is about: `config! { QuotaConfig, "Rate limits by key." }`.
///
/// Then `--check` and every start validate the file of its service, even if the service does not run in the application.
#[macro_export]
macro_rules! config {
    ($config:ty, $doc:literal $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::ConfigSchema::of::<$config>($doc, ::std::file!(), ::std::line!())
        }
    };
}
