//! Config directories of tests.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use app_config::compat::service_config_id;
use app_core::prelude::ServiceId;
use app_metrics::METRICS_SERVICE_ID;
use capnp::message::{Builder, HeapAllocator};
use quota_schema::quota_capnp::{quota_rule, quota_spec};
use schema::metrics_capnp::metrics_service_spec;
use svc_example::QUOTA;
use tempfile::TempDir;

use crate::program::Program;

/// Sets the fields of a rule other than its name.
pub(crate) type BuildRule = fn(quota_rule::Builder<'_>);

/// A config directory. It is removed when this value is dropped.
pub(crate) struct Configs {
    dir: TempDir,
}

impl Configs {
    /// An empty directory.
    pub(crate) fn none() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A directory with a config that makes the program listen on a free port of the loopback interface. So tests can run in
    /// parallel.
    pub(crate) fn any_port() -> Self {
        Self::none().metrics(|mut spec| {
            // The field has the default 4444, so this 0 is set explicitly.
            spec.set_http_port(0);
            spec.set_bind_address("127.0.0.1");
        })
    }

    pub(crate) fn metrics(self, build: impl FnOnce(metrics_service_spec::Builder<'_>)) -> Self {
        let mut message = Builder::new_default();
        build(message.init_root());
        self.file(METRICS_SERVICE_ID, &content(&message))
    }

    /// Adds a config of the quota service with these rules.
    pub(crate) fn rules(self, rules: &[(&str, BuildRule)]) -> Self {
        self.file(QUOTA, &rules_content(rules))
    }

    /// Adds a config with this content. Only its owner may read and write it.
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

    /// The service with this config directory.
    pub(crate) fn service(&self) -> Program {
        Program::service().args([Path::new("--config-dir"), self.path()])
    }
}

/// The content of a config file of the quota service.
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
