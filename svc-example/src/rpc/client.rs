//! The RPC client, for services in other processes.

use std::num::NonZeroU32;

use app_core::prelude::*;
use app_rpc::{CallError, InstanceStatus, RpcClient, RpcClientConfig};
use quota_schema::quota_capnp::{quota, quota_rule};

use crate::{Grant, Rule};

/// A client of the quota service of another process. It is cheap to clone and works in any task.
///
/// A call goes to any healthy instance of the server. Each instance grants by itself.
#[derive(Debug, Clone)]
pub struct QuotaClient(RpcClient<quota::Client>);

/// Makes a client that belongs to `service` and ends with it. The client connects by itself.
///
/// # Errors
/// As [`RpcClient::start`].
///
/// # Panics
/// Outside of a tokio runtime.
pub fn client(service: &Service, config: RpcClientConfig) -> Result<QuotaClient, Error> {
    RpcClient::start(service, config).map(QuotaClient)
}

impl QuotaClient {
    /// Takes `permits` from the bucket of `key` under `rule`, as [`Quota::acquire`](crate::Quota::acquire) does. `retry_after` is
    /// in whole milliseconds.
    ///
    /// Not cancel safe: a call that is dropped early may still take the permits.
    ///
    /// # Errors
    /// [`CallFailure`](app_rpc::CallFailure) says whether the call ran. It is `Failed` for arguments that
    /// [`Quota::acquire`](crate::Quota::acquire) refuses. A call that is `MaybeExecuted` may have taken the permits.
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

    /// Replaces the config of the client.
    ///
    /// # Errors
    /// As [`RpcClient::reconfigure`].
    pub fn reconfigure(&self, config: RpcClientConfig) -> Result<(), Error> {
        self.0.reconfigure(config)
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
