//! Starts the service with descriptors.

use std::{
    io::IoSlice,
    mem::MaybeUninit,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    process::Stdio,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::program::Program;

const ACTIVATE: &str = env!("CARGO_BIN_EXE_activate");

/// A listener on a free port.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The service with these descriptors, from 3 on. `names` has a `:` between two names.
pub(crate) fn with_listeners(names: &str, sockets: &[&TcpListener]) -> Program {
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    with_descriptors(&sockets.len().to_string(), names, &sockets)
}

/// As [`with_listeners`], with any descriptors, and with any `LISTEN_FDS`.
pub(crate) fn with_descriptors(count: &str, names: &str, descriptors: &[BorrowedFd<'_>]) -> Program {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    assert!(descriptors.is_empty() || rights.push(SendAncillaryMessage::ScmRights(descriptors)));
    sendmsg(&ours, &[IoSlice::new(b"x")], &mut rights, SendFlags::NOSIGNAL).unwrap();
    let stdin = Stdio::from(std::os::fd::OwnedFd::from(theirs));
    Program::new(ACTIVATE).without_environment().args([count, names, e2e::svc_example()]).stdin(stdin)
}
