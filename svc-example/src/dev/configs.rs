//! Makes certificates, and the configs that contain them, as an operator does with `appctl`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use app_config::ConfigSchema;
use app_config::author::{Overwrite, compile, place_file};
use app_config::compat::service_config_id;
use app_core::Flags;
use app_core::prelude::ServiceId;
use app_messaging::MESSAGING_SERVICE_ID;
use app_metrics::METRICS_SERVICE_ID;
use app_pki::{AuthorityOptions, ClientName, Directory, IssueOptions, Subject, Validity};
use app_rpc::RpcName;
use app_rpc::admin::APP_RPC_SERVICE_ID;
use app_sealing::{ConfigIdentity, seal};
use serde_json::{Value, json};
use svc_example::{QUOTA, QUOTA_RPC};

use super::Problem;
use super::files::Folder;
use super::ports::Ports;

/// The clients. Each has a certificate, and the role in its name.
const CLIENTS: [&str; 3] = ["admin", "operator", "reader"];
/// Days that the certificates are valid. In the last 14 days of a certificate the platform logs warnings.
const DAYS: u32 = 30;

/// Makes all certificates, configs and contexts.
pub(super) fn make(folder: &Folder, flags: &Flags, ports: &Ports, nats: Option<&str>) -> Result<(), Problem> {
    let pki = folder.pki();
    let name = format!("svc-example --dev {:x}", ServiceId::random());
    let options = AuthorityOptions::new(name, Validity::days(DAYS));
    let authority = Directory::init(&pki, &options, DAYS).map_err(told)?;
    let issue = |subject| {
        let mut wanted = IssueOptions::new(subject);
        wanted.days = None;
        authority.issue(&wanted).map_err(told)
    };
    for client in CLIENTS {
        issue(Subject::Client(ClientName::new(&format!("{client}.dev")).map_err(told)?))?;
    }
    let rpc_name = |service| RpcName { domain: flags.domain_id, app: flags.app_id, service };
    let sealing = Sealing::new(folder)?;
    for (service, port) in [(APP_RPC_SERVICE_ID, ports.admin), (QUOTA_RPC, ports.quota)] {
        let name = rpc_name(service);
        issue(Subject::Server(name))?;
        sealing.seal(service, &endpoint(&name, port))?;
    }
    sealing.seal(METRICS_SERVICE_ID, &json!({ "httpPort": ports.http, "bindAddress": "127.0.0.1" }))?;
    let slow = json!({ "name": "slow", "permits": 3, "periodMillis": 60_000 });
    let default = json!({ "name": "default", "permits": 100, "periodMillis": 1_000 });
    let shared = json!({ "name": "shared", "permits": 6, "periodMillis": 3_600_000, "scope": "fleet" });
    sealing.seal(QUOTA, &json!({ "rules": [default, slow, shared] }))?;
    let messaging = match nats {
        Some(url) => json!({ "servers": [url] }),
        None => json!({ "inProcess": true }),
    };
    sealing.seal(MESSAGING_SERVICE_ID, &messaging).map_err(|problem| format!("--nats: {problem}"))?;
    contexts(folder, flags, ports)
}

fn told(error: impl std::fmt::Display) -> Problem {
    error.to_string()
}

/// The config of an endpoint. Clients without a grant have the role `read`.
fn endpoint(name: &RpcName, port: u16) -> Value {
    let RpcName { domain, app, service } = name;
    json!({
        "rpcServiceSpec": {
            "domainID": format!("{domain:#x}"), "appId": format!("{app:#x}"), "serviceId": format!("{service:#x}"), "port": port,
        },
        "serverCert": { "key": format!("@server-{name}.key"), "cert": format!("@server-{name}.pem") },
        "caCert": "@ca.pem",
        "crl": "@crl.pem",
        "bindAddress": "127.0.0.1",
        "grants": [ { "name": "admin.dev", "role": "admin" }, { "name": "operator.dev", "role": "operate" } ],
    })
}

/// Seals configs for a new key, and puts the key beside them.
struct Sealing<'a> {
    folder: &'a Folder,
    identity: ConfigIdentity,
}

impl<'a> Sealing<'a> {
    fn new(folder: &'a Folder) -> Result<Self, Problem> {
        let identity = ConfigIdentity::generate();
        let file = folder.configs().join("config.identity");
        place_file(&file, &identity.secret_text(), Overwrite::Never).map_err(told)?;
        Ok(Self { folder, identity })
    }

    fn seal(&self, service: ServiceId, config: &Value) -> Result<(), Problem> {
        let schema = ConfigSchema::linked().into_iter().find(|schema| schema.service() == service);
        let schema = schema.ok_or_else(|| format!("no config of {} is linked", service.describe()))?;
        let plain = compile(&schema, &config.to_string(), Some(&self.folder.pki())).map_err(told)?;
        let sealed = seal(&plain, &[self.identity.recipient()]).map_err(told)?;
        let file = self.folder.configs().join(service_config_id(service));
        place_file(&file, &sealed, Overwrite::Never).map_err(told)
    }
}

/// Writes the contexts file of `appctl`: a context for each client, and one for the quota service.
fn contexts(folder: &Folder, flags: &Flags, ports: &Ports) -> Result<(), Problem> {
    let context = |port: u16, client: &str, service: ServiceId| {
        json!({
            "address": format!("127.0.0.1:{port}"),
            "domain": format!("{:#x}", flags.domain_id), "app": format!("{:#x}", flags.app_id),
            "service": format!("{service:#x}"),
            "ca": "pki/ca.pem", "crl": "pki/crl.pem",
            "cert": format!("pki/client-{client}.dev.pem"), "key": format!("pki/client-{client}.dev.key"),
        })
    };
    let [admin, operator, reader] = CLIENTS.map(|client| context(ports.admin, client, APP_RPC_SERVICE_ID));
    let quota = context(ports.quota, "reader", QUOTA_RPC);
    let contexts = json!({ "admin": admin, "operator": operator, "reader": reader, "quota": quota });
    let all = json!({ "contexts": contexts, "current": "operator" });
    write(&folder.contexts(), &format!("{all:#}\n"))
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let written = fs::write(path, text);
    // Set explicitly, because the umask may forbid even the owner to read.
    let readable = written.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    readable.map_err(|error| format!("{}: {error}", path.display()))
}
