//! What an operator may ask of the service: `appctl do quota forget --rule default --reason ..`.

use app_core::prelude::*;
use app_messaging::Messaging;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{QUOTA, Quota, Refill};

app_core::operation! {
    of: QUOTA,
    name: "forget",
    role: Operate,
    effect: Changes,
    about: "Drops all buckets of one rule, so that its keys start again with full buckets.",
    run: forget,
}

app_core::operation! {
    of: QUOTA,
    name: "refill",
    role: Operate,
    effect: Changes,
    about: "Asks the fleet to make the bucket of a key full, by a stored message that one instance handles.",
    run: refill,
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

/// What to fill.
#[derive(Debug, Deserialize, JsonSchema)]
struct RefillArgs {
    /// Name of the rule. If no instance knows it, the message becomes a dead letter.
    rule: String,
    /// The key of the bucket.
    bucket: String,
}

/// Where the message is.
#[derive(Debug, Serialize, JsonSchema)]
struct Asked {
    /// Name of the stream.
    stream: String,
    /// Sequence of the message in the stream.
    sequence: u64,
}

async fn refill(
    _quota: Dep<Quota>,
    messaging: Dep<Messaging>,
    args: Args<RefillArgs>,
) -> Result<Asked, Error> {
    let RefillArgs { rule, bucket } = args.into_inner();
    let fill = |refill: &mut quota_schema::quota_capnp::refill::Builder<'_>| {
        refill.set_rule(&rule);
        refill.set_key(&bucket);
    };
    let stored = messaging.sender::<Refill>().send(fill).await?;
    Ok(Asked { stream: stored.stream.to_string(), sequence: stored.sequence })
}
