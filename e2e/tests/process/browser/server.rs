//! `appctl dashboard` as a process, and its URL.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    dev,
    program::{PATIENCE, Process, Program, poll},
    tools,
};

/// The example as `--dev` configures it, and `appctl dashboard` on its contexts.
pub(crate) struct Shown {
    pub(crate) app: Process,
    pub(crate) dashboard: Dashboard,
    /// The folder with configs, keys and contexts.
    pub(crate) folder: TempDir,
}

/// `appctl dashboard`.
pub(crate) struct Dashboard {
    pub(crate) process: Process,
    urls: usize,
}

/// Starts both. The configs are a copy, so that the app can be started again on its ports with its keys.
pub(crate) fn start() -> Shown {
    let (dev, tour) = dev::start();
    let folder = tempfile::tempdir().unwrap();
    let from = format!("{}/.", dev::folder(&tour).display());
    tools::run("cp", ["-a", &from, folder.path().to_str().unwrap()]);
    dev.signal(Signal::SIGTERM);
    dev.ended();
    let app = start_app(folder.path());
    let dashboard = Dashboard::start(&folder.path().join("contexts.json"), &[]);
    Shown { app, dashboard, folder }
}

/// Starts the app, and waits until its check has passed.
pub(crate) fn start_app(folder: &Path) -> Process {
    let configs = folder.join("configs");
    let app = Program::service().args([
        "--domain-id",
        "0xd0",
        "--app-id",
        "0xa0",
        "--config-dir",
        configs.to_str().unwrap(),
    ]);
    let app = app.start();
    app.ready();
    app
}

impl Dashboard {
    /// Serves the contexts of a file.
    pub(crate) fn start(contexts: &Path, more: &[&str]) -> Self {
        let program = Program::new(e2e::appctl()).without_environment();
        let context = contexts.to_str().unwrap();
        Self { process: program.args(["dashboard", "--context", context]).args(more).start(), urls: 0 }
    }

    /// The next URL: the printed one, then new ones.
    pub(crate) fn url(&mut self) -> String {
        if self.urls > 0 {
            self.process.signal(Signal::SIGUSR1);
        }
        self.urls += 1;
        let urls = self.urls;
        let printed = poll("a URL", || {
            let printed = self.process.printed("#token=");
            (printed.lines().count() >= urls).then_some(printed)
        });
        printed.lines().nth(urls - 1).unwrap().to_owned()
    }

    /// The address without the token.
    pub(crate) fn base(&self) -> String {
        let printed = self.process.printed("#token=");
        printed.split("/#").next().unwrap().to_owned()
    }
}

/// Sends a request: `head` is its first line and its headers, without the host. Returns the status and the body.
pub(crate) fn send(base: &str, head: &str, body: &str) -> (u16, Value) {
    let address: SocketAddr = base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        socket,
        "{head}\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// The session for the token of a URL.
pub(crate) fn session(url: &str) -> String {
    let (base, token) = url.split_once("/#token=").unwrap();
    let body = json!({ "token": token }).to_string();
    let (status, answer) = send(base, "POST /session HTTP/1.1\r\ncontent-type: application/json", &body);
    assert_eq!(status, 200, "{answer}");
    answer["session"].as_str().unwrap().to_owned()
}

/// `GET` with a session.
pub(crate) fn get(base: &str, path: &str, session: &str) -> (u16, Value) {
    send(base, &format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {session}"), "")
}
