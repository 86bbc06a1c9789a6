//! The type of the client is left out.

use app_rpc::__private::app_core::prelude::*;

app_rpc::rpc_client! { id: ServiceId::new(7), name: "stock-client" }

//~ error: rpc_client!: the option `client` is missing; add `client: ..`, a type with `From<RpcClient<INTERFACE::Client>>`
