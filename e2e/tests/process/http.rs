//! A minimal HTTP client.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use crate::program::{PATIENCE, Process, poll};

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a GET request.
pub(crate) fn get(address: SocketAddr, path: &str) -> Response {
    try_get(address, path).unwrap()
}

pub(crate) fn try_get(address: SocketAddr, path: &str) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let malformed = || io::Error::other(format!("no HTTP: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    Ok(Response { status, head: head.to_owned(), body: body.to_owned() })
}

/// Waits until a process listens, and returns the address. Reads it from the socket table of the kernel, for processes without a
/// readable log.
pub(crate) fn listening(process: &Process) -> SocketAddr {
    let port = poll("a listening socket", || {
        let mine = sockets(process);
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
            let table = fs::read_to_string(table).unwrap_or_default();
            table.lines().skip(1).find_map(|line| port_if_listening(line, &mine))
        })
    });
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Inodes of the sockets of a process.
fn sockets(process: &Process) -> Vec<String> {
    // A process that has ended has no sockets.
    let Ok(files) = fs::read_dir(format!("/proc/{}/fd", process.pid())) else { return Vec::new() };
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let inode = |link: std::path::PathBuf| {
        let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    links.filter_map(inode).collect()
}

/// Parses a line of the socket table (proc(5)): local address and port in hex, state (0A is "listening"), inode.
fn port_if_listening(line: &str, inodes: &[String]) -> Option<u16> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields.as_slice() else { return None };
    let (_, port) = local.split_once(':')?;
    inodes.iter().any(|mine| mine == inode).then_some(u16::from_str_radix(port, 16).ok()?)
}
