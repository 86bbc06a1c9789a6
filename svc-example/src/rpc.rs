//! The endpoint: serves the interface `Quota` of `quota.capnp`.

use std::rc::Rc;

use app_core::prelude::*;
use app_rpc::Bootstrap;
use quota_schema::quota_capnp::{RuleScope, WhenAway as SpecWhenAway, quota};

use crate::rate::whole_millis;
use crate::{Grant, QUOTA_RPC, Quota, Scope, WhenAway};

app_rpc::rpc_methods! { quota_schema::METHODS }

app_rpc::rpc_endpoint! { id: QUOTA_RPC, name: "quota-rpc", doc: "Who may ask for permits over RPC.", bootstrap: bootstrap }

// The parameters are the dependencies. So the quota service runs as long as the endpoint listens.
async fn bootstrap(quota: Dep<Quota>) -> Result<Bootstrap, Error> {
    let quota = Quota::clone(&quota);
    Ok(Bootstrap::new(move |_peer| -> quota::Client { capnp_rpc::new_client(Remote(quota.clone())) }))
}

/// The capability that each client gets. Every client that may connect may call all methods.
struct Remote(Quota);

impl quota::Server for Remote {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let (rule, key) = (params.get_rule()?.to_str()?, params.get_key()?.to_str()?);
        let grant = self.0.acquire(rule, key, params.get_permits()).await.map_err(app_rpc::exception)?;
        let mut results = results.get();
        results.set_granted(grant.granted);
        results.set_remaining(grant.remaining);
        results.set_retry_after_millis(retry_after_millis(grant));
        Ok(())
    }

    async fn rules(
        self: Rc<Self>,
        _: quota::RulesParams,
        mut results: quota::RulesResults,
    ) -> capnp::Result<()> {
        let limits = self.0.limits();
        let rules = limits.rules();
        let mut list = results.get().init_rules(u32::try_from(rules.len()).unwrap_or(u32::MAX));
        for (index, rule) in (0..list.len()).zip(rules) {
            let mut spec = list.reborrow().get(index);
            spec.set_name(&rule.name);
            spec.set_permits(rule.permits.get());
            spec.set_period_millis(rule.period_millis.get());
            spec.set_burst(rule.burst.get());
            spec.set_max_keys(rule.max_keys.get());
            if let Scope::Fleet(away) = rule.scope {
                spec.set_scope(RuleScope::Fleet);
                if let WhenAway::LocalShare(instances) = away {
                    spec.set_when_away(SpecWhenAway::LocalShare);
                    spec.set_instances(instances.get());
                }
            }
        }
        Ok(())
    }
}

/// Rounded up, so that the same call is granted after this wait.
fn retry_after_millis(grant: Grant) -> u32 {
    whole_millis(grant.retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_milliseconds() {
        let after = |nanos| {
            let retry_after = Duration::from_nanos(nanos);
            retry_after_millis(Grant { granted: false, remaining: 0, retry_after })
        };
        assert_eq!([after(0), after(1), after(1_000_000), after(1_000_001)], [0, 1, 1, 2]);
        assert_eq!(after(u64::MAX), u32::MAX);
    }
}
