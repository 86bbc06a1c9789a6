//! The name of an RPC service in the network, which is also the name in its server's certificate.

use std::fmt;

use app_config::Place;
use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use schema::rpc_capnp::rpc_service_spec;

/// An RPC service in the network: the service of an application in a domain.
///
/// ```
/// use app_core::prelude::ServiceId;
/// use app_ids::{AppId, DomainId};
/// use app_tls::RpcName;
///
/// let name = RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: ServiceId::new(0x5e) };
/// assert_eq!(name.to_string(), "d0_a0_5e");
/// assert_eq!(name.host(), "d0_a0");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RpcName {
    /// The domain that the application belongs to.
    pub domain: DomainId,
    /// The application.
    pub app: AppId,
    /// The service.
    pub service: ServiceId,
}

impl RpcName {
    /// The host of the application, `{domain}_{app}` in hex: the name of a Swarm or Kubernetes service.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}_{}", self.domain, self.app)
    }

    /// Reads the name and the port of a service, and adds every problem. The port may be 0.
    pub fn read(spec: rpc_service_spec::Reader<'_>, place: &mut Place<'_>) -> Option<(Self, u16)> {
        let ids = [
            ("domainID", spec.get_domain_id()),
            ("appId", spec.get_app_id()),
            ("serviceId", spec.get_service_id()),
        ];
        let mut good = true;
        for (field, id) in ids {
            if id == 0 {
                place.field(field).add("must not be 0");
                good = false;
            }
        }
        let name = Self {
            domain: DomainId::new(spec.get_domain_id()),
            app: AppId::new(spec.get_app_id()),
            service: ServiceId::new(spec.get_service_id()),
        };
        good.then_some((name, spec.get_port()))
    }
}

/// The name in the server's certificate: `{domain}_{app}_{service}` in hex.
impl fmt::Display for RpcName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.domain, self.app, self.service)
    }
}
