//! Turning the numbers of inherited descriptors into sockets, without `unsafe`.

use std::{fs, io, net::TcpListener};

use listenfd::ListenFd;

/// The first descriptor that is passed on.
pub(super) const FIRST: usize = 3;

/// Removes `LISTEN_FDS` and `LISTEN_PID` from the environment, and leaves the descriptors alone.
pub(super) fn leave() {
    // It reads the variables, and touches no descriptor before one is taken.
    drop(ListenFd::from_env());
}

/// Takes this many descriptors from [`FIRST`] on, and removes `LISTEN_FDS` and `LISTEN_PID` from the environment. Each is closed when
/// this process executes another program.
///
/// A descriptor that is no TCP socket stays open, and its entry says what it is.
pub(super) fn take(count: usize) -> Vec<Result<TcpListener, String>> {
    let mut passed = ListenFd::from_env();
    (0..count)
        .map(|index| match passed.take_tcp_listener(index) {
            Ok(Some(listener)) => Ok(listener),
            Ok(None) => Err("was not passed on".to_owned()),
            Err(refused) => Err(what_it_is(&mut passed, index, &refused)),
        })
        .collect()
}

/// What a descriptor is that is no TCP socket.
fn what_it_is(passed: &mut ListenFd, index: usize, refused: &io::Error) -> String {
    const EXPECTED: &str = "a TCP socket that listens is expected";
    let number = FIRST + index;
    let what = match fs::read_link(format!("/proc/self/fd/{number}")) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => "is not open".to_owned(),
        Err(_) => format!("is no TCP socket ({refused})"),
        Ok(target) if !target.to_string_lossy().starts_with("socket:") => {
            format!("is no socket, but {}", target.display())
        }
        Ok(_) if matches!(passed.take_unix_listener(index), Ok(Some(_))) => "is a Unix socket".to_owned(),
        Ok(_) if matches!(passed.take_unix_datagram(index), Ok(Some(_))) => "is a Unix socket".to_owned(),
        Ok(_) if matches!(passed.take_udp_socket(index), Ok(Some(_))) => "is a UDP socket".to_owned(),
        Ok(_) => "is a socket of another kind".to_owned(),
    };
    format!("{what}: {EXPECTED}")
}
