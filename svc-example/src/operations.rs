//! What an operator may ask of the service: `appctl do quota forget --rule default --reason ..`.

use app_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{QUOTA, Quota};

app_core::operation! {
    of: QUOTA,
    name: "forget",
    role: Operate,
    effect: Changes,
    about: "Drops all buckets of one rule, so that its keys start again with full buckets.",
    run: forget,
}

/// What to forget.
#[derive(Debug, Deserialize, JsonSchema)]
struct Forget {
    /// Name of the rule.
    rule: String,
}

/// What was forgotten.
#[derive(Debug, Serialize, JsonSchema)]
struct Forgotten {
    /// Name of the rule.
    rule: String,
    /// Buckets that were dropped.
    buckets: usize,
}

async fn forget(quota: Dep<Quota>, args: Args<Forget>) -> Result<Forgotten, Error> {
    let Forget { rule } = args.into_inner();
    let buckets = quota.forget(&rule).await?;
    Ok(Forgotten { rule, buckets })
}
