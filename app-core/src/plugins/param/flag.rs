//! The values of a flag group as a parameter of a start function.

use std::{fmt, ops::Deref, sync::Arc};

use app_errors::{Error, errors};
use app_ids::ServiceId;

use crate::{
    FlagGroup, Flags,
    plugins::{Param, Planned, StartContext},
};

/// The values of a [flag group](crate::flag_group) `T`, as this application got them on its command line, from the environment,
/// or in code. Two applications of one process may have different ones.
pub struct Flag<T>(Arc<T>);

impl<T> Flag<T> {
    /// The shared values themselves.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> Deref for Flag<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Flag<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Flag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: clap::Args + Send + Sync + 'static> Param for Flag<T> {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        let service = planned.service();
        values::<T>(planned.app().flags(), service.id(), service.name()).map(drop)
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        let service = context.service();
        values(context.app().flags(), service.id(), service.name()).map(Self)
    }
}

fn values<T: clap::Args + Send + Sync + 'static>(
    flags: &Flags,
    id: ServiceId,
    name: &str,
) -> Result<Arc<T>, Error> {
    let group = std::any::type_name::<T>();
    let problem = if FlagGroup::is_linked::<T>() {
        match flags.group::<T>() {
            Ok(values) => return Ok(values),
            Err(missing) => format!("which have no values: {missing}; set them in code with `flag_group`"),
        }
    } else {
        "which are not part of the command line: add `app_core::flag_group!` beside the type".to_owned()
    };
    let message = format!("service {name} ({id}) takes the flags {group}, {problem}");
    Err(errors::SERVICE_INIT_FAILED.error(id).message(message).build())
}
