//! Examples of configs that work for the endpoint or client that they are of.

use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use serde_json::{Value, json};

use crate::RpcName;
use crate::ids::APP_RPC_SERVICE_ID;

/// The port of the admin interface in examples.
const ADMIN_PORT: u16 = 44228;

/// Each endpoint has a port of its own in examples, so that all of them can listen in one application.
fn port(endpoint: ServiceId) -> u16 {
    if endpoint == APP_RPC_SERVICE_ID {
        return ADMIN_PORT;
    }
    let offset = endpoint.as_u64() % 1000;
    24_000 + u16::try_from(offset).unwrap_or_default()
}

/// The files have the names that `appctl pki` gives them.
fn files(certificate: &str) -> Value {
    json!({ "key": format!("@{certificate}.key"), "cert": format!("@{certificate}.pem") })
}

fn service(name: &RpcName) -> Value {
    let RpcName { domain, app, service } = name;
    json!({
        "domainID": format!("{domain:#x}"),
        "appId": format!("{app:#x}"),
        "serviceId": format!("{service:#x}"),
        "port": port(*service),
    })
}

/// The example of an endpoint.
pub(super) fn of_endpoint(domain: DomainId, app: AppId, endpoint: ServiceId) -> String {
    let name = RpcName { domain, app, service: endpoint };
    let values = json!({
        "rpcServiceSpec": service(&name),
        "serverCert": files(&format!("server-{name}")),
        "caCert": "@ca.pem",
        "crl": "@crl.pem",
    });
    values.to_string()
}

/// The example of a client: it calls the endpoint of the example above, on this machine. `client` is the name of its service.
pub(super) fn of_client(domain: DomainId, app: AppId, endpoint: ServiceId, client: &str) -> String {
    let name = RpcName { domain, app, service: endpoint };
    let values = json!({
        "rpcServiceSpec": service(&name),
        "clientCert": files(&format!("client-{client}")),
        "caCert": "@ca.pem",
        "crl": "@crl.pem",
        "addresses": [format!("127.0.0.1:{}", port(endpoint))],
    });
    values.to_string()
}
