//! An app with a fake admin interface, and `appctl` to operate it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use app_config::CONFIG_SERVICE_ID;
use app_core::ServiceDescriptor;
use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::METRICS_SERVICE_ID;
use app_pki::Subject;
use app_rpc::{Bootstrap, Endpoint, EndpointConfig, EndpointStart, Peer};
use schema::admin_capnp::app;
use schema::rpc_capnp::{RpcRole, rpc_server_spec};
use serde_json::Value;

use crate::fake::{App, Fake};
use crate::files::{Files, name};

/// Service id of the endpoint.
pub(crate) const ENDPOINT: ServiceId = ServiceId::new(0xa5d0_7e1c_3b94_f826);

app_config::config! { EndpointConfig<{ ENDPOINT.as_u64() }>, "The endpoint of the tests." }

/// A running app, and a folder with contexts for it.
pub(crate) struct Fixture {
    pub(crate) app: TestApp,
    pub(crate) fake: Arc<Fake>,
    pub(crate) files: Files,
}

/// The exit status and the output of `appctl`.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Standard output of a run that must succeed. Asserts that it is harmless for terminals.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        assert!(self.stderr.is_empty(), "{self:?}");
        self.harmless().stdout
    }

    /// The only object on standard output.
    #[track_caller]
    pub(crate) fn object(self) -> Value {
        object(&self.printed())
    }

    /// The error of a run that must end with this status and print nothing.
    #[track_caller]
    pub(crate) fn refused(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.stdout.is_empty(), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.harmless().stderr.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn harmless(self) -> Self {
        let hostile = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!self.stdout.contains(hostile) && !self.stderr.contains(hostile), "{self:?}");
        self
    }
}

#[track_caller]
pub(crate) fn object(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

/// A command line that runs in a folder, without the environment of this process.
pub(crate) fn appctl(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appctl"));
    command.args(args).current_dir(folder).env_clear().env("OP_CONTEXT", folder.join("contexts.json"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command on a thread of its own, so that the server's threads stay free.
pub(crate) async fn run(mut command: Command) -> Ran {
    Ran::of(tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap())
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with(|_| String::new()).await
    }

    /// A server with a revocation list.
    pub(crate) async fn with(crl: impl Fn(&Files) -> String) -> Self {
        let files = Files::new();
        let (app, fake, address) = start(&files, &crl(&files)).await;
        files.contexts(&address.to_string(), ENDPOINT);
        Self { app, fake, files }
    }

    /// Another instance of the app with the same authority, and its address.
    pub(crate) async fn another(&self) -> (TestApp, Arc<Fake>, SocketAddr) {
        start(&self.files, "").await
    }

    /// Address of the app.
    pub(crate) fn address(&self) -> SocketAddr {
        self.app.get::<Endpoint<{ ENDPOINT.as_u64() }>>().address().unwrap()
    }

    /// A command line for this app.
    pub(crate) fn appctl(&self, args: &[&str]) -> Command {
        appctl(self.files.path(), args)
    }

    /// Runs `appctl` as the administrator.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        run(self.appctl(args)).await
    }

    /// Runs `appctl` as another client.
    pub(crate) async fn run_as(&self, client: &str, args: &[&str]) -> Ran {
        let mut command = self.appctl(args);
        command.env("OP_CONTEXT", format!("{}#{client}", self.files.path().join("contexts.json").display()));
        run(command).await
    }
}

/// An app with a fake admin interface. The authority of these files has signed its certificate.
async fn start(files: &Files, crl: &str) -> (TestApp, Arc<Fake>, SocketAddr) {
    let fake = Arc::<Fake>::default();
    let shared = Arc::clone(&fake);
    let make = move |peer: &Peer| -> app::Client {
        capnp_rpc::new_client(App { fake: Arc::clone(&shared), role: peer.role })
    };
    let (app, address) = start_with(files, crl, make).await;
    (app, fake, address)
}

/// An app with an admin interface that `make` makes for each client.
pub(crate) async fn start_with(
    files: &Files,
    crl: &str,
    make: impl Fn(&Peer) -> app::Client + Clone + Send + Sync + 'static,
) -> (TestApp, SocketAddr) {
    let bootstrap = move || {
        let make = make.clone();
        async move { Ok(Bootstrap::new(make)) }
    };
    let start = EndpointStart::<{ ENDPOINT.as_u64() }, _>::new(bootstrap);
    let descriptor = ServiceDescriptor::of(ENDPOINT, "fake-admin", start);
    let builder = TestApp::builder().service(descriptor).linked([METRICS_SERVICE_ID, CONFIG_SERVICE_ID]);
    put_config(builder.config_dir(), files, ENDPOINT, crl);
    let app = builder.start().await;
    let address = app.get::<Endpoint<{ ENDPOINT.as_u64() }>>().address().unwrap();
    (app, address)
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while !is_so() {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "never: {what}");
}

/// Writes the config of the endpoint.
pub(crate) fn put_config(dir: &Path, files: &Files, endpoint: ServiceId, crl: &str) {
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<rpc_server_spec::Builder<'_>>();
    let own = name(endpoint);
    let mut service = spec.reborrow().init_rpc_service_spec();
    service.set_domain_id(own.domain.as_u64());
    service.set_app_id(own.app.as_u64());
    service.set_service_id(own.service.as_u64());
    service.set_port(1);
    let issued = files.issue(&Subject::Server(own));
    let mut pair = spec.reborrow().init_server_cert();
    pair.set_key(&issued.key);
    pair.set_cert(issued.certificate.as_bytes());
    spec.set_ca_cert(files.ca().as_bytes());
    spec.set_crl(crl.as_bytes());
    spec.set_bind_address("127.0.0.1");
    spec.set_threads(1);
    let mut grants = spec.init_grants(2);
    for (index, client, role) in
        [(0, "admin.example", RpcRole::Admin), (1, "operator.example", RpcRole::Operate)]
    {
        let mut grant = grants.reborrow().get(index);
        grant.set_name(client);
        grant.set_role(role);
    }
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let path = dir.join(app_config::compat::service_config_id(endpoint));
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}
