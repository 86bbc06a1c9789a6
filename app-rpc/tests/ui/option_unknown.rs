//! An option that the macro does not have.

use app_rpc::__private::app_core::prelude::*;

app_rpc::rpc_client! { id: ServiceId::new(7), name: "stock-client", client: StockClient, timeout: Duration::from_secs(1) }

//~ error: rpc_client!: the option `timeout` is unknown; the options are `id`, `name`, `client`, `calls`, `critical` and `doc`
