//! What the unit tests of clients share.

use std::sync::{Arc, LazyLock};

use app_core::{Identity, Log, LogLevel};
use app_ids::{AppId, DomainId, InstanceId, ServiceId};
use app_pki::{Authority, AuthorityOptions, ClientName, KeyKind, LeafOptions, Subject, Validity};
use tokio::sync::watch;

use super::counts::ClientCounts;
use super::instances::Instances;
use super::setup::Setup;
use crate::{Authorities, KeyPair, RpcClientConfig, RpcName};

const NAME: RpcName = RpcName { domain: DomainId::new(1), app: AppId::new(2), service: ServiceId::new(3) };

static CONFIG: LazyLock<RpcClientConfig> = LazyLock::new(|| {
    let options = AuthorityOptions::new("tests", Validity::days(60)).key(KeyKind::Ed25519);
    let authority = Authority::root(&options).unwrap();
    let client = Subject::Client(ClientName::new("client.test").unwrap());
    let issued = authority.issue(&client, &LeafOptions::days(30).key(KeyKind::Ed25519)).unwrap();
    let pair = KeyPair::from_pem(&issued.key, issued.certificate.as_bytes()).unwrap();
    let trust = Authorities::from_pem(authority.root_pem().unwrap().as_bytes(), b"").unwrap();
    RpcClientConfig::new(NAME, 1, pair, trust)
});

/// The instances of a client with the default config: none yet.
pub(super) fn instances() -> Arc<Instances> {
    instances_with(|_| {})
}

/// The instances of a client with another config.
pub(super) fn instances_with(change: impl FnOnce(&mut RpcClientConfig)) -> Arc<Instances> {
    let mut config = CONFIG.clone();
    change(&mut config);
    let (_, setup) = watch::channel(Arc::new(Setup::new(config).unwrap()));
    let identity =
        Identity { domain: 1.into(), app: 2.into(), release: 3.into(), instance: InstanceId::random() };
    let (log, _) = Log::captured(&identity, LogLevel::Error);
    Instances::new(setup, ClientCounts::default(), log.service_logger(NAME.service, "client"))
}
