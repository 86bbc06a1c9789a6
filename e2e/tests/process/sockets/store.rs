//! A service manager keeps the listeners that the service bound. The test takes the place of systemd.

use std::{
    io::IoSliceMut,
    mem::MaybeUninit,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
};

use app_metrics::log_events::METRICS_HTTP_SERVER_STARTED;
use nix::sys::signal::Signal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use super::passing::with_descriptors;
use crate::{
    files::Configs,
    program::{PATIENCE, Process, Program},
};

/// A manager with a store.
pub(super) struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
    pub(super) store: Vec<(String, OwnedFd)>,
    pub(super) removed: Vec<String>,
}

impl Manager {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder, store: Vec::new(), removed: Vec::new() }
    }

    /// Starts the program with what is in the store, and follows its notifications until it is ready.
    pub(super) fn starts(&mut self, more: impl FnOnce(Program) -> Program) -> Process {
        let names: Vec<_> = self.store.iter().map(|(name, _)| name.as_str()).collect();
        let sockets: Vec<_> = self.store.iter().map(|(_, socket)| std::os::fd::AsFd::as_fd(socket)).collect();
        let program = with_descriptors(&sockets.len().to_string(), &names.join(":"), &sockets);
        let process = more(program.env("NOTIFY_SOCKET", self.folder.path().join("notify"))).start();
        while !self.hears().contains("READY=1") {}
        process
    }

    /// The next notification. Keeps and forgets listeners.
    pub(super) fn hears(&mut self) -> String {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0; 4096];
        let received =
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut buffer)], &mut rights, RecvFlags::CMSG_CLOEXEC);
        let text = String::from_utf8(buffer[..received.unwrap().bytes].to_vec()).unwrap();
        let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or_default().to_owned();
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(sockets) = message {
                assert!(text.starts_with("FDSTORE=1\n"), "{text}");
                self.store.extend(sockets.map(|socket| (name.clone(), socket)));
            }
        }
        if text.starts_with("FDSTOREREMOVE=1\n") {
            self.store.retain(|(stored, _)| *stored != name);
            self.removed.push(name);
        }
        text
    }
}

fn ends(process: Process) {
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn a_listener_that_the_service_bound_is_kept_and_comes_back() {
    let (mut manager, configs) = (Manager::new(), Configs::any_port());
    let mut address = None;
    for origin in ["bound", "store", "store"] {
        let process = manager.starts(|program| program.args([Path::new("--config-dir"), configs.path()]));
        let started = process.event(METRICS_HTTP_SERVER_STARTED);
        assert_eq!(started["origin"], origin);
        assert_eq!(
            *address.get_or_insert(process.address()),
            process.address(),
            "any port is that of the first"
        );
        ends(process);
        assert_eq!(manager.store.len(), 1, "{:?}", manager.store);
        assert_eq!(manager.store[0].0, "metrics");
    }
    assert!(manager.removed.is_empty());
}

#[test]
fn a_config_that_moves_the_port_makes_the_manager_forget_the_old_one() {
    let (mut manager, configs) = (Manager::new(), Configs::any_port());
    let process = manager.starts(|program| program.args([Path::new("--config-dir"), configs.path()]));
    let old = process.address();
    ends(process);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let new = held.local_addr().unwrap();
    let configs = Configs::none().metrics(|mut spec| {
        spec.set_http_port(new.port());
        spec.set_bind_address("127.0.0.1");
    });
    drop(held);
    let process = manager.starts(|program| program.args([Path::new("--config-dir"), configs.path()]));
    assert_eq!(process.address(), new);
    assert_eq!(process.event(METRICS_HTTP_SERVER_STARTED)["origin"], "bound");
    assert_eq!(manager.removed, ["metrics"]);
    let kept = manager.store.iter().map(|(_, socket)| TcpListener::from(socket.try_clone().unwrap()));
    let kept: Vec<_> = kept.map(|listener| listener.local_addr().unwrap()).collect();
    assert_eq!(kept, [new]);
    ends(process);
    drop(manager);
    assert!(std::net::TcpStream::connect(old).is_err(), "nobody holds the old port");
}

#[test]
fn a_config_that_moves_the_address_gets_the_port_that_the_manager_still_holds() {
    let (mut manager, configs) = (Manager::new(), Configs::any_port());
    let process = manager.starts(|program| program.args([Path::new("--config-dir"), configs.path()]));
    let port = process.address().port();
    ends(process);
    let configs = Configs::none().metrics(|mut spec| spec.set_http_port(port));
    for origin in ["bound", "store"] {
        let process = manager.starts(|program| program.args([Path::new("--config-dir"), configs.path()]));
        let address = process.address();
        assert!(address.ip().is_unspecified() && address.port() == port, "{address}");
        assert_eq!(process.event(METRICS_HTTP_SERVER_STARTED)["origin"], origin);
        ends(process);
        assert_eq!(manager.removed, ["metrics"], "it is told once");
        assert_eq!(manager.store.len(), 1, "{:?}", manager.store);
    }
}
