//! An application that only calls: each tick it asks the quota service for a permit, and places an order if it is granted.
//!
//! It links the client of the quota service, and no part of the server. `docs/RPC.md` starts both.

use app_core::prelude::*;
use quota_client::QuotaClient;
use tracing::{Instrument as _, info_span};

app_core::main! { link: [app_config, app_health, app_metrics, app_rpc, app_sealing, app_tracing] }
app_core::service! { id: ORDERS, name: "orders", start: start }
ids! { /// Places orders.
pub ORDERS: ServiceId = 0x93d1_70ab_5e2c_4f86, "orders"; }

async fn start(service: Service, quota: Dep<QuotaClient>) -> Result<(), Error> {
    let log = service.log().clone();
    service.every_async("place", Duration::from_millis(250), move || {
        let (quota, log) = (quota.clone(), log.clone());
        let place = async move {
            match quota.acquire("default", "bolt", 1).await {
                Ok(grant) => info!(log, "may an order be placed?"; "granted" => grant.granted),
                Err(failed) => warn!(log, "no order was placed: {failed}"),
            }
        };
        // Its calls and its log records are in the trace of this order.
        place.instrument(info_span!("place"))
    })
}
