//! Tests of the messages, on a pair of sockets.

use std::{
    env, fs,
    io::{ErrorKind, Read},
    net::TcpListener,
    os::{
        fd::AsFd,
        unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    },
    process::Command,
    thread,
};

use app_ids::{AppId, DomainId, ReleaseId};
use nix::poll::{PollFd, PollFlags, poll};

use super::*;

const SOON: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_MILLIS: u16 = 30_000;

fn pair() -> (Channel, Channel) {
    let (one, other) = UnixStream::pair().unwrap();
    (Channel::new(one).unwrap(), Channel::new(other).unwrap())
}

fn who(domain: u64, app: u64, release: u64) -> Who {
    Who::of(&Identity::new(DomainId::new(domain), AppId::new(app), ReleaseId::new(release)))
}

#[test]
fn an_offer_brings_its_descriptors_in_their_order() {
    let (mut one, mut other) = pair();
    let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let listeners = (0..).zip(&sockets);
    let listeners: Vec<_> = listeners
        .map(|(number, socket)| Offered {
            name: format!("name {number}"),
            address: socket.local_addr().unwrap(),
        })
        .collect();
    let offer = HandoverMessage::Offer { who: who(1, 2, 3), listeners: listeners.clone() };
    let descriptors: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    one.send(&offer, &descriptors, PATIENCE).unwrap();
    one.send(&HandoverMessage::Ready, &[], PATIENCE).unwrap();
    let (message, received) = other.receive(PATIENCE).unwrap();
    assert_eq!(message, offer);
    for (descriptor, listener) in received.into_iter().zip(&listeners) {
        assert_eq!(TcpListener::from(descriptor).local_addr().unwrap(), listener.address);
    }
    let (message, none) = other.receive(PATIENCE).unwrap();
    assert!(message == HandoverMessage::Ready && none.is_empty());
}

#[test]
fn what_is_no_message_is_said_and_nothing_is_waited_for_without_end() {
    let (mut one, mut other) = pair();
    assert!(matches!(one.receive(SOON), Err(Missing::Late)));
    other.stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert!(
        matches!(one.receive(PATIENCE), Err(Missing::Wrong(why)) if why.contains("no message of a handover"))
    );
    let endless = thread::spawn(move || {
        // Ends with an error once the reader is gone.
        while other.stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    assert!(
        matches!(one.receive(PATIENCE), Err(Missing::Wrong(why)) if why.contains("more than 65536 bytes"))
    );
    drop(one);
    endless.join().unwrap();

    let (mut one, other) = pair();
    drop(other);
    assert!(matches!(one.receive(PATIENCE), Err(Missing::Gone)));
    assert!(matches!(one.send(&HandoverMessage::Ready, &[], PATIENCE), Err(Missing::Gone)));
}

#[test]
fn only_a_process_of_the_same_app_and_the_same_version_replaces_another() {
    assert_eq!(who(1, 2, 3).objection(&who(1, 2, 4)), None, "another release is what it is for");
    for other in [who(1, 3, 3), who(2, 2, 3)] {
        let why = who(1, 2, 3).objection(&other).unwrap();
        assert!(why.contains("this process is app 2 of domain 1"), "{why}");
    }
    let newer = Who { version: 2, ..who(1, 2, 3) };
    assert!(who(1, 2, 3).objection(&newer).unwrap().contains("version 2"));
}

/// This test starts itself again as another user. Only root can do so.
#[test]
fn a_process_of_another_user_is_refused() {
    const NAME: &str = "handover::wire::tests::a_process_of_another_user_is_refused";
    const PLACE: &str = "APP_CORE_TEST_PLACE_OF_THE_SOCKET";
    const NOBODY: u32 = 65_534;
    if let Some(place) = env::var_os(PLACE) {
        let mut stream = UnixStream::connect(place).unwrap();
        // Until the other side has looked.
        let _ = stream.read(&mut [0]);
        return;
    }
    if own_user() != 0 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("socket");
    let listener = UnixListener::bind(&place).unwrap();
    for (path, mode) in [(folder.path(), 0o755), (place.as_path(), 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    // In a folder that the other user can read.
    let program = folder.path().join("test");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut again = Command::new(&program);
    let mut other = match again.args(["--exact", NAME]).env(PLACE, &place).uid(NOBODY).spawn() {
        // Nothing may run from the folder for temporary files.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return,
        started => started.unwrap(),
    };
    let mut waits = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut waits, PATIENCE_MILLIS), Ok(1), "it connects: {:?}", other.try_wait());
    let (stream, _) = listener.accept().unwrap();
    let refused = Channel::new(stream).map(|_| ()).unwrap_err();
    assert_eq!(refused, "it belongs to user 65534, and this process to user 0; run both as one user");
    assert!(other.wait().unwrap().success());
}
