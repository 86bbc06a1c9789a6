//! An option that is given twice.

use app_rpc::__private::app_core::prelude::*;

app_rpc::rpc_client! { id: ServiceId::new(7), name: "stock-client", critical: true, critical: false, client: StockClient }

//~ error: rpc_client!: the option `critical` is given twice
