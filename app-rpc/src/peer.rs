//! The client at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::accounts::Account;
use crate::grants::Granted;
use crate::{Certificate, Grants, Role};

/// A client that was let in: who it is by its certificate, and what it may do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peer {
    /// Where it connected from.
    pub address: SocketAddr,
    /// Its certificate.
    pub certificate: Certificate,
    /// What it may do, as it was when it connected.
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

    /// What it shares with all other connections of its certificate.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// What it may do now: by the grants of the config that the server runs on at this moment, so that a grant that was taken away
    /// counts at the next call, however long the connection lives.
    #[must_use]
    pub fn role_now(&self) -> Role {
        self.grants.role(&self.certificate)
    }

    /// The same, with the name that the role was granted to.
    pub(crate) fn granted_now(&self) -> Granted {
        self.grants.granted(&self.certificate)
    }
}

/// The grants of a server, as they are now. Cheap to clone.
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

/// Who else was granted something is nobody's business who looks at a peer.
impl fmt::Debug for LiveGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
