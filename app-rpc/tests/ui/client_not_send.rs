//! A client type that cannot move between threads.

use app_rpc::__private::app_core::prelude::*;
use std::rc::Rc;

const STOCK_CLIENT: ServiceId = ServiceId::new(7);

app_rpc::rpc_client! { id: STOCK_CLIENT, name: "stock-client", client: StockClient }

pub struct StockClient(Rc<app_rpc::RpcClient<Interface>>);

pub struct Interface;

impl From<app_rpc::RpcClient<Interface>> for StockClient {
    fn from(client: app_rpc::RpcClient<Interface>) -> Self {
        Self(Rc::new(client))
    }
}

//~ error: cannot be sent between threads safely
