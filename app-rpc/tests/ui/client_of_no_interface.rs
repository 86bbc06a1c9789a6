//! A client type that is made from a client of something that is no interface.

use app_rpc::__private::app_core::prelude::*;

const STOCK_CLIENT: ServiceId = ServiceId::new(7);

app_rpc::rpc_client! { id: STOCK_CLIENT, name: "stock-client", client: StockClient }

pub struct StockClient;

impl From<app_rpc::RpcClient<u32>> for StockClient {
    fn from(_: app_rpc::RpcClient<u32>) -> Self {
        Self
    }
}

//~ error: the trait bound `u32: FromClientHook` is not satisfied
