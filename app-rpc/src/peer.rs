//! The client at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::accounts::Account;
use crate::grants::Granted;
use crate::{Certificate, Grants, Role};

/// An accepted client: its certificate and its role.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// The address that it connected from.
    pub address: SocketAddr,
    /// Its certificate.
    pub certificate: Certificate,
    /// Its role when it connected.
    pub role: Role,
    grants: LiveGrants,
    account: Arc<Account>,
}

impl Peer {
    pub(crate) fn new(
        address: SocketAddr,
        certificate: Certificate,
        grants: LiveGrants,
        account: Arc<Account>,
    ) -> Self {
        let role = grants.role(&certificate);
        Self { address, certificate, role, grants, account }
    }

    /// The state that all connections of its certificate share.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Its role now, by the grants of the server's present config. So a change of a grant counts from the next call on, even on an old
    /// connection.
    #[must_use]
    pub fn role_now(&self) -> Role {
        self.grants.role(&self.certificate)
    }

    /// Its role now, and the name with the grant.
    pub(crate) fn granted_now(&self) -> Granted {
        self.grants.granted(&self.certificate)
    }
}

/// The present grants of a server. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LiveGrants(Arc<RwLock<Grants>>);

impl LiveGrants {
    pub(crate) fn new(grants: Grants) -> Self {
        Self(Arc::new(RwLock::new(grants)))
    }

    pub(crate) fn replace(&self, grants: Grants) {
        *self.0.write() = grants;
    }

    pub(crate) fn role(&self, certificate: &Certificate) -> Role {
        self.0.read().role(&certificate.names)
    }

    fn granted(&self, certificate: &Certificate) -> Granted {
        self.0.read().granted(&certificate.names)
    }
}

/// `Debug` of a peer does not show the grants of others.
impl fmt::Debug for LiveGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
