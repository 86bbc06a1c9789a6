//! Config directories.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use app_config::compat::service_config_id;
use app_core::prelude::ServiceId;
use app_metrics::METRICS_SERVICE_ID;
use capnp::message::{Builder, HeapAllocator};
use schema::{
    metrics_capnp::metrics_service_spec,
    quota_capnp::{quota_rule, quota_spec},
};
use svc_example::QUOTA;
use tempfile::TempDir;

use crate::program::Program;

/// Says of a rule what is to be said beyond its name.
pub(crate) type BuildRule = fn(quota_rule::Builder<'_>);

/// A config directory, removed when it is dropped.
pub(crate) struct Configs {
    dir: TempDir,
}

impl Configs {
    /// Without any config.
    pub(crate) fn none() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// With a config by which the program listens on any free port of the loopback interface, so that tests can run
    /// side by side.
    pub(crate) fn any_port() -> Self {
        Self::none().metrics(|mut spec| {
            // On the wire this is not 0: the default of the field is 4444.
            spec.set_http_port(0);
            spec.set_bind_address("127.0.0.1");
        })
    }

    pub(crate) fn metrics(self, build: impl FnOnce(metrics_service_spec::Builder<'_>)) -> Self {
        let mut message = Builder::new_default();
        build(message.init_root());
        self.file(METRICS_SERVICE_ID, &content(&message))
    }

    /// Rules by name, and what else is to be said of them.
    pub(crate) fn rules(self, rules: &[(&str, BuildRule)]) -> Self {
        self.file(QUOTA, &rules_content(rules))
    }

    /// A config of this content, which nobody but its owner may touch.
    pub(crate) fn file(self, service: ServiceId, content: &[u8]) -> Self {
        let path = self.path_of(service);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path_of(&self, service: ServiceId) -> PathBuf {
        self.path().join(service_config_id(service))
    }

    /// The service, on these configs.
    pub(crate) fn service(&self) -> Program {
        Program::service().args([Path::new("--config-dir"), self.path()])
    }
}

/// A config file of the quota service.
pub(crate) fn rules_content(rules: &[(&str, BuildRule)]) -> Vec<u8> {
    let mut message = Builder::new_default();
    let spec = message.init_root::<quota_spec::Builder<'_>>();
    let mut list = spec.init_rules(u32::try_from(rules.len()).unwrap());
    for (index, (name, build)) in (0..).zip(rules) {
        let mut rule = list.reborrow().get(index);
        rule.set_name(*name);
        build(rule);
    }
    content(&message)
}

fn content(message: &Builder<HeapAllocator>) -> Vec<u8> {
    let mut content = Vec::new();
    app_config::codec::marshal(message, &mut content).unwrap();
    content
}
