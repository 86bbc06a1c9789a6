//! The configs of endpoints and of clients.

mod client;
mod example;
mod limits;
mod server;

use std::net::IpAddr;

use app_config::{Place, quoted};

pub(crate) use self::client::host_and_port;
pub use self::client::{ClientConfig, RpcClientConfig};
pub use self::server::{EndpointConfig, RpcServerConfig};

/// An IP address, or `None` for an empty text.
fn read_address(text: &str, place: &mut Place<'_>) -> Option<IpAddr> {
    if text.is_empty() {
        return None;
    }
    let address = text.parse();
    if address.is_err() {
        place.add_found("must be an IP address, such as 127.0.0.1 or ::1", quoted(text));
    }
    address.ok()
}
