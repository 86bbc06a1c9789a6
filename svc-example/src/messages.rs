//! The messages of the service: what it sends, what it takes, what it answers, and what its instances share.

use app_core::prelude::*;
use app_messaging::{BucketId, BucketSpec};
use quota_schema::quota_capnp::{exhausted, refill, remaining_answer, remaining_ask};

use crate::QUOTA;

/// How long messages are kept.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

app_messaging::message! {
    /// The bucket of a key ran out: a call was denied for the first time since one was granted.
    pub struct Exhausted(exhausted::Owned);
    id: 0x86af_ee45_0fea_f860, of: QUOTA, name: "quota_exhausted", kind: Stored, key: |exhausted| exhausted.get_key()
}

app_messaging::message! {
    /// The bucket of a key is to be full again.
    pub struct Refill(refill::Owned); id: 0x5be7_2f13_5e20_c08a, of: QUOTA, name: "quota_refill", kind: Stored
}

app_messaging::message! {
    /// How many permits of a key are left?
    pub struct Remaining(remaining_ask::Owned) -> remaining_answer::Owned;
    id: 0x774d_c09a_8025_3b6c, of: QUOTA, name: "quota_remaining", kind: Request
}

app_messaging::stream! {
    /// What happened to keys.
    pub QUOTA_EVENTS: id 0x70f6_f936_7f3d_6cd2, of: QUOTA, name: "quota_events", stores: [Exhausted], max_age: WEEK
}

app_messaging::stream! {
    /// What others want of the service.
    pub QUOTA_REQUESTS: id 0x59e3_9d8d_10c4_dfdd, of: QUOTA, name: "quota_requests", stores: [Refill], max_age: WEEK
}

ids! {
    /// What the instances share of the rules with the scope `fleet`.
    pub QUOTA_FLEET: BucketId = 0xba59_bd3b_1a2f_22b9, "quota_fleet";
}

/// The bucket of the fleet: a value for each key.
pub(crate) const FLEET: BucketSpec = BucketSpec::new(QUOTA_FLEET, QUOTA, "quota_fleet");
