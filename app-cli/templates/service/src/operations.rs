//! What an operator may ask of the service: `appctl do my-service reset --reason ..`.

use app_core::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{MY_SERVICE, MyService};

app_core::operation! {
    of: MY_SERVICE,
    name: "reset",
    role: Operate,
    effect: Changes,
    about: "Begins to count guests from zero again.",
    run: reset,
}

/// What was counted before.
#[derive(Debug, Serialize, JsonSchema)]
struct Before {
    /// Guests that were greeted.
    guests: u64,
}

async fn reset(handle: Dep<MyService>) -> Result<Before, Error> {
    let guests = handle.reset().await?;
    Ok(Before { guests })
}
