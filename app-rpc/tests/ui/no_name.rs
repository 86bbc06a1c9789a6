//! An option without which there is no client.

use app_rpc::__private::app_core::prelude::*;

app_rpc::rpc_client! { id: ServiceId::new(7), client: StockClient }

//~ error: rpc_client!: the option `name` is missing; add `name: ".."`
