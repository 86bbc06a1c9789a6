//! Test support: where the endpoints of a [`TestApp`] listen.

use std::net::SocketAddr;

use app_core::prelude::ServiceId;
use app_core::testing::TestApp;

use crate::LinkedEndpoint;

/// Finds endpoints in tests: `use app_rpc::testing::TestEndpoints as _;`.
///
/// A test app listens on free ports, whatever the configs say.
pub trait TestEndpoints {
    /// The address that an endpoint listens on. An endpoint that listens on every address is reached by loopback.
    ///
    /// # Panics
    /// If there is no such endpoint, or it does not listen. The message says which.
    #[track_caller]
    fn endpoint_address(&self, endpoint: ServiceId) -> SocketAddr;
}

impl TestEndpoints for TestApp {
    fn endpoint_address(&self, endpoint: ServiceId) -> SocketAddr {
        let all = LinkedEndpoint::all(self.app());
        let Some(linked) = all.iter().find(|linked| linked.service() == endpoint) else {
            let names: Vec<_> = all.iter().map(|linked| linked.service().describe().to_string()).collect();
            panic!(
                "{} is no endpoint of this app; its endpoints are [{}]",
                endpoint.describe(),
                names.join(", ")
            );
        };
        match linked.status(self.app()).address {
            Some(mut address) => {
                if address.ip().is_unspecified() {
                    address.set_ip([127, 0, 0, 1].into());
                }
                address
            }
            None => panic!(
                "endpoint {} does not listen: put its config into the config directory before the start",
                endpoint.describe()
            ),
        }
    }
}
