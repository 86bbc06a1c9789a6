//! Configs as parameters of start functions.

use app_core::plugins::{Planned, StartContext};
use app_core::prelude::{Error, Param, ServiceId};

use crate::configs::Configs;
use crate::ids::CONFIG_SERVICE_ID;
use crate::schema;
use crate::value::{Config, Configured, LiveConfig};

impl<C: Config> Param for Configured<C> {
    fn needs() -> Vec<ServiceId> {
        vec![CONFIG_SERVICE_ID]
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        schema::expect::<C>(planned)
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        Ok(context.handle::<Configs>()?.take_for_start::<C>(context)?.values.last())
    }
}

impl<C: Config> Param for LiveConfig<C> {
    fn needs() -> Vec<ServiceId> {
        vec![CONFIG_SERVICE_ID]
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        schema::expect::<C>(planned)
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        let taken = context.handle::<Configs>()?.take_for_start::<C>(context)?;
        Ok(Self::new(taken.values.subscribe(), context.service().clone()))
    }
}
