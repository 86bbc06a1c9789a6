//! The client as a service: its config, reloads, health check and metrics.

use app_core::prelude::*;

use crate::QuotaClient;

ids! {
    /// Service id of the client.
    pub QUOTA_CLIENT: ServiceId = 0xe73a_51d6_0c98_2fb4, "quota-client";
    /// Service id of the endpoint that the client calls.
    pub QUOTA_RPC: ServiceId = quota_schema::QUOTA_RPC, "quota-rpc";
}

app_rpc::rpc_methods! { quota_schema::METHODS }

app_rpc::rpc_client! {
    id: QUOTA_CLIENT, name: "quota-client", client: QuotaClient, calls: QUOTA_RPC,
    doc: "Where the quota service is, and the certificate that it is asked with."
}
