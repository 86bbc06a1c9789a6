//! Processes of the application, and one application inside of the test that sends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_core::testing::{Process, Program, TestApp};
use app_messaging::{MESSAGING_SERVICE_ID, Messaging, Sender};
use schema::messaging_capnp::messaging_spec;
use tempfile::TempDir;

use crate::journal::Journal;
use crate::nats::NatsServer;
use crate::worker::{Job, STREAM, Task, WORKER};
use crate::{PATIENCE, pass};

/// Processes of the application.
#[derive(Debug)]
pub(crate) struct Fleet {
    folder: TempDir,
    pub(crate) ack_wait: Duration,
    pub(crate) stop_grace: Duration,
}

impl Fleet {
    /// With these servers, with commas between them.
    pub(crate) fn of(servers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["configs", "journal"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        put_config(&folder.path().join("configs"), servers);
        Self { folder, ack_wait: Duration::from_secs(30), stop_grace: Duration::from_secs(8) }
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::of(&self.folder.path().join("journal"))
    }

    /// Starts a process, and does not wait until it works.
    pub(crate) fn launch(&self, task: Task) -> Process {
        Program::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker::runs_as_a_process", "--ignored", "--nocapture"])
            .env("PROOF_TASK", task.text())
            .env("PROOF_CONFIGS", self.folder.path().join("configs"))
            .env("PROOF_JOURNAL", self.folder.path().join("journal"))
            .env("PROOF_ACK_WAIT", self.ack_wait.as_millis().to_string())
            .env("PROOF_STOP_GRACE", self.stop_grace.as_millis().to_string())
            .patience(PATIENCE)
            .start()
    }

    /// Starts a process, and waits until its services run.
    pub(crate) fn start(&self, task: Task) -> Process {
        let process = self.launch(task);
        process.started();
        process
    }
}

fn put_config(folder: &Path, servers: &str) {
    let mut message = capnp::message::Builder::new_default();
    let spec = message.init_root::<messaging_spec::Builder<'_>>();
    let servers: Vec<_> = servers.split(',').collect();
    let mut list = spec.init_servers(u32::try_from(servers.len()).unwrap());
    for (at, server) in (0..).zip(servers) {
        list.set(at, server);
    }
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    let path = folder.join(app_config::compat::service_config_id(MESSAGING_SERVICE_ID));
    fs::write(&path, file).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The application of the test.
pub(crate) struct Office {
    pub(crate) app: TestApp,
    pub(crate) messaging: Arc<Messaging>,
    pub(crate) service: Service,
}

impl Office {
    /// With these servers, with commas between them.
    pub(crate) async fn open(servers: &str) -> Self {
        let builder = TestApp::builder().linked([MESSAGING_SERVICE_ID]);
        put_config(builder.config_dir(), servers);
        let app = builder.start().await;
        let (messaging, service) = (app.get::<Messaging>(), app.new_service(WORKER, "office"));
        Self { app, messaging, service }
    }

    pub(crate) fn sender(&self) -> Sender<Job> {
        self.messaging.sender::<Job>()
    }

    /// Sends work with its name as its id, until the stream has it. Returns how many tries failed.
    pub(crate) async fn send(sender: &Sender<Job>, name: &str) -> usize {
        let mut failures = 0;
        while sender.send_with_id(name, |job| job.set_name(name)).await.is_err() {
            failures += 1;
            pass(Duration::from_millis(100)).await;
        }
        failures
    }
}

/// The number of dead letters. `None` while they have no stream.
pub(crate) fn dead_letters(server: &NatsServer) -> Option<u64> {
    server.messages_of(&format!("{STREAM}_DEAD"))
}
