//! A client type that is not made from an RPC client.

use app_rpc::__private::app_core::prelude::*;

const STOCK_CLIENT: ServiceId = ServiceId::new(7);

app_rpc::rpc_client! { id: STOCK_CLIENT, name: "stock-client", client: StockClient }

pub struct StockClient;

//~ error: `StockClient` cannot be the client of `rpc_client!`
//~ under: StockClient
//~ label: `StockClient` is not made from an RPC client
//~ note: implement `From<RpcClient<INTERFACE::Client>>` for `StockClient`
