//! Starts a program with listeners, as systemd does for a `.socket` unit. For tests.
//!
//! `activate COUNT NAMES PROGRAM [ARG..]`: standard input is a Unix socket with one message, which brings descriptors. They become 3, 4
//! and so on. `COUNT` becomes `LISTEN_FDS` as it is, true or not. `NAMES` becomes `LISTEN_FDNAMES`, unless it is empty.

use std::{
    env,
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::{Command, ExitCode, Stdio, id},
};

use app_core as _;
use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};

fn main() -> ExitCode {
    match activate() {
        Ok(never) => match never {},
        Err(problem) => {
            let _ = io::Write::write_all(&mut io::stderr(), format!("activate: {problem}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn activate() -> io::Result<std::convert::Infallible> {
    let mut args = env::args_os().skip(1);
    let (Some(count), Some(names), Some(program)) = (args.next(), args.next(), args.next()) else {
        return Err(io::Error::other("usage: activate COUNT NAMES PROGRAM [ARG..]"));
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(200))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(io::stdin(), &mut [IoSliceMut::new(&mut byte)], &mut rights, RecvFlags::empty())?;
    let mut descriptors = Vec::new();
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    for (expected, descriptor) in (3..).zip(&descriptors) {
        if descriptor.as_raw_fd() != expected {
            return Err(io::Error::other(format!("descriptor {expected} was open already")));
        }
        fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).env("LISTEN_FDS", count).env("LISTEN_PID", id().to_string());
    if !names.is_empty() {
        command.env("LISTEN_FDNAMES", names);
    }
    // Returns only if it fails.
    Err(command.exec())
}
