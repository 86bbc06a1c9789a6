//! Descriptors that no service can use, and paths that no socket can have. Each is one clear error, before anything starts.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixDatagram, UnixListener},
    },
    path::Path,
};

use super::passing::{listener, with_descriptors};
use crate::{files::Configs, program::Program};

/// Runs the program, which must not start. The error is one record, and has each of these texts.
#[track_caller]
fn is_refused(program: Program, code: i32, texts: &[&str]) {
    let ended = program.run();
    ended.expect_code(code);
    // The log escapes quotes, and `--check` does not.
    let told = ended.stderr.replace("\\\"", "\"");
    for text in texts {
        assert!(told.contains(text), "{text}: {told}");
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("app started"), "{}", ended.stderr);
}

fn refused(count: &str, names: &str, descriptors: &[BorrowedFd<'_>], texts: &[&str]) {
    for check in [&[][..], &["--check"]] {
        let configs = Configs::any_port();
        let program =
            with_descriptors(count, names, descriptors).args([Path::new("--config-dir"), configs.path()]);
        is_refused(program.args(check), 1, texts);
    }
}

#[test]
fn what_is_no_listening_tcp_socket_is_named_with_its_descriptor() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::open("/dev/null").unwrap();
    refused("1", "metrics", &[file.as_fd()], &["descriptor 3 is no socket, but /dev/null", "\"metrics\""]);
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    refused(
        "1",
        "metrics",
        &[udp.as_fd()],
        &["descriptor 3 is a UDP socket: a TCP socket that listens is expected"],
    );
    let unix = UnixListener::bind(folder.path().join("stream")).unwrap();
    refused("1", "metrics", &[unix.as_fd()], &["descriptor 3 is a Unix socket: a TCP socket"]);
    let datagrams = UnixDatagram::unbound().unwrap();
    refused("1", "metrics", &[datagrams.as_fd()], &["descriptor 3 is a Unix socket: a TCP socket"]);
    let (socket, address) = listener();
    let connection = TcpStream::connect(address).unwrap();
    refused("1", "metrics", &[connection.as_fd()], &["descriptor 3 is a connection: a TCP socket"]);
    let (good, _) = listener();
    // Each bad one is named, and the good one is not.
    let both = [good.as_fd(), udp.as_fd(), file.as_fd()];
    refused(
        "3",
        "metrics:quota-rpc:rpc",
        &both,
        &["descriptor 4 is a UDP socket", "descriptor 5 is no socket"],
    );
    drop(socket);
}

#[test]
fn a_number_of_descriptors_that_lies_is_an_error() {
    let (socket, _) = listener();
    let one = [socket.as_fd()];
    refused("2", "", &one, &["LISTEN_FDS: descriptor 4 is not open"]);
    refused("2", "metrics:rpc", &one, &["LISTEN_FDS: descriptor 4 is not open", "\"rpc\""]);
    refused("many", "metrics", &one, &["LISTEN_FDS: \"many\" is no number of listeners"]);
    refused("-1", "metrics", &one, &["LISTEN_FDS: \"-1\" is no number"]);
    refused("4294967295", "", &one, &["LISTEN_FDS: \"4294967295\" is no number", "from 0 to 256"]);
    refused("1", "metrics:rpc", &one, &["LISTEN_FDNAMES: it has 2 names", "LISTEN_FDS is 1"]);
}

#[test]
fn a_listener_that_fits_no_service_or_one_that_has_another_is_an_error_that_says_which_names_there_are() {
    let (first, address) = listener();
    let (second, other) = listener();
    let unknown =
        ["LISTEN_FDS: descriptor 3 (\"metric\"", "fits no service", "the names are: metrics, quota-rpc, rpc"];
    refused("1", "metric", &[first.as_fd()], &unknown);
    refused("1", "", &[first.as_fd()], &["without a name", "the names are: metrics, quota-rpc, rpc"]);
    let alike = [&address.to_string() as &str, &other.to_string(), "are both for the service \"metrics\""];
    refused("2", "metrics:metrics", &[first.as_fd(), second.as_fd()], &alike);
}

#[test]
fn a_listener_elsewhere_than_the_config_says_is_an_error_with_both_places() {
    let (socket, address) = listener();
    let (_held, free) = listener();
    let configs = Configs::none().metrics(|mut spec| spec.set_http_port(free.port()));
    let program = with_descriptors("1", "metrics", &[socket.as_fd()]);
    let texts = [&address.to_string() as &str, &format!("says port {}", free.port()), "set httpPort to"];
    is_refused(program.args([Path::new("--config-dir"), configs.path()]), 1, &texts);
}

/// Runs the program with this handover path, and with what `more` adds. It must not start.
#[track_caller]
fn no_handover(path: &Path, more: impl FnOnce(Program) -> Program, code: i32, texts: &[&str]) {
    let configs = Configs::any_port();
    is_refused(more(configs.service().args([Path::new("--handover"), path])), code, texts);
}

#[test]
fn a_handover_path_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |name: &str| folder.path().join(name);
    let refused = |path: &Path, code, texts: &[&str]| {
        for check in [&[][..], &["--check"]] {
            no_handover(path, |program| program.args(check), code, texts);
        }
    };
    refused(&inside(&"x".repeat(120)), 2, &["--handover", "at most 103 bytes"]);
    refused(&folder.path().join(""), 2, &["--handover", "names a folder"]);
    refused(&inside("none/socket"), 1, &["--handover", "does not exist"]);
    fs::write(inside("file"), "precious").unwrap();
    refused(&inside("file"), 1, &["--handover", "no socket is there"]);
    assert_eq!(fs::read_to_string(inside("file")).unwrap(), "precious");
    let managed = |program: Program| program.env("NOTIFY_SOCKET", "/run/systemd/notify");
    let texts = ["--handover does not work under systemd", "FileDescriptorStoreMax="];
    no_handover(&inside("socket"), managed, 2, &texts);
    if nix::unistd::geteuid().is_root() {
        let foreign = inside("foreign");
        let _socket = UnixListener::bind(&foreign).unwrap();
        std::os::unix::fs::chown(&foreign, Some(65_534), None).unwrap();
        refused(&foreign, 1, &["belongs to user 65534, and this process to user 0"]);
    } else {
        eprintln!("skipped: only root can make the socket of another user");
    }
}

#[test]
fn a_process_that_does_not_answer_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _silent = UnixListener::bind(&path).unwrap();
    no_handover(&path, |program| program, 1, &["the running process cannot be replaced: it does not answer"]);
}
