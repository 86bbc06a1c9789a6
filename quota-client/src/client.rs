//! What callers use: a method for each call of the interface.

use std::num::NonZeroU32;

use app_core::prelude::*;
use app_rpc::{CallError, InstanceStatus, RpcClient};
use quota_schema::quota_capnp::{quota, quota_rule};

/// A client of the quota service of another process. Callers take it as `Dep<QuotaClient>`. It is cheap to clone and works in any task.
///
/// A call goes to any healthy instance of the server. Each instance grants by itself.
#[derive(Debug, Clone)]
pub struct QuotaClient(RpcClient<quota::Client>);

/// The answer to [`QuotaClient::acquire`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grant {
    /// Whether the permits were taken. A call takes all permits or none.
    pub granted: bool,
    /// Whole permits left in the bucket.
    pub remaining: u32,
    /// Time until the same call would be granted, if no other call takes permits meanwhile, in whole milliseconds. Zero if the call was
    /// granted.
    pub retry_after: Duration,
}

/// A rate limit that is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The name of the rule.
    pub name: String,
    /// Permits that a bucket gets in each period.
    pub permits: NonZeroU32,
    /// The period in milliseconds.
    pub period_millis: NonZeroU32,
    /// Permits of a full bucket.
    pub burst: NonZeroU32,
    /// The most keys that have a bucket.
    pub max_keys: NonZeroU32,
}

impl From<RpcClient<quota::Client>> for QuotaClient {
    fn from(client: RpcClient<quota::Client>) -> Self {
        Self(client)
    }
}

impl QuotaClient {
    /// Takes `permits` from the bucket of `key` under `rule`, if the bucket holds enough.
    ///
    /// Not cancel safe: a call that is dropped early may still take the permits.
    ///
    /// # Errors
    /// [`CallFailure`](app_rpc::CallFailure) says whether the call ran. It is `Failed` for arguments that the server refuses: an unknown
    /// rule, no key, no permits, or more than the burst. A call that is `MaybeExecuted` may have taken the permits.
    pub async fn acquire(&self, rule: &str, key: &str, permits: u32) -> Result<Grant, CallError> {
        let (rule, key) = (rule.to_owned(), key.to_owned());
        let ask = move |quota: &quota::Client| {
            let mut request = quota.acquire_request();
            let mut params = request.get();
            params.set_rule(&rule);
            params.set_key(&key);
            params.set_permits(permits);
            request
        };
        let read = |grant: quota::acquire_results::Reader<'_>| {
            Ok(Grant {
                granted: grant.get_granted(),
                remaining: grant.get_remaining(),
                retry_after: Duration::from_millis(grant.get_retry_after_millis().into()),
            })
        };
        self.0.request(ask, read).await
    }

    /// The rules in effect in the instance that answers.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub async fn rules(&self) -> Result<Vec<Rule>, CallError> {
        let read = |answer: quota::rules_results::Reader<'_>| answer.get_rules()?.iter().map(rule).collect();
        self.0.request(quota::Client::rules_request, read).await
    }

    /// The known instances of the server.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.0.instances()
    }
}

fn rule(spec: quota_rule::Reader<'_>) -> capnp::Result<Rule> {
    let name = spec.get_name()?.to_string()?;
    let not_zero = |field: &str, value: u32| {
        let zero =
            || capnp::Error::failed(format!("rule {name:?}: {field} is 0, which no rule in effect has"));
        NonZeroU32::new(value).ok_or_else(zero)
    };
    Ok(Rule {
        permits: not_zero("permits", spec.get_permits())?,
        period_millis: not_zero("periodMillis", spec.get_period_millis())?,
        burst: not_zero("burst", spec.get_burst())?,
        max_keys: not_zero("maxKeys", spec.get_max_keys())?,
        name,
    })
}
