//! The operation that lists the instances of the domain: `appctl apps`.

use app_core::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Messaging;
use crate::discovery::Instance;
use crate::ids::MESSAGING_SERVICE_ID;

app_core::operation! {
    of: MESSAGING_SERVICE_ID,
    name: "instances",
    role: Read,
    effect: Reads,
    about: "Lists the instances of all applications in the domain that answer, as each tells of itself.",
    run: list,
}

/// The instances that answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Instances {
    /// Sorted by application and instance.
    instances: Vec<Instance>,
}

async fn list(messaging: Dep<Messaging>) -> Result<Instances, Error> {
    Ok(Instances { instances: messaging.instances().await? })
}
