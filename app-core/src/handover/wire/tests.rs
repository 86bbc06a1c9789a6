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
    Who::of(&Identity::new(DomainId::new(domain), AppId::new(app), ReleaseId::new(release)), None)
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
    // An app without an id of its own has the same as every other one. A process that does not know its package has none.
    let of = |package| Who { package: String::from(package), ..who(0, 0, 3) };
    for (one, other) in [("shop", "shop"), ("shop", ""), ("", "shop")] {
        assert_eq!(of(one).objection(&of(other)), None, "{one}, {other}");
    }
    let why = of("shop").objection(&of("bank")).unwrap();
    assert!(why.starts_with("it is of package bank, and this process is of package shop; "), "{why}");
}

#[test]
fn a_message_of_another_version_is_known_by_its_version_whatever_its_shape_is() {
    let (mut one, mut other) = pair();
    let lines = [
        r#"{"message":"ask","who":{"version":2,"name":"of another shape"}}"#,
        r#"{"message":"question","who":{"version":2},"more":[1]}"#,
    ];
    for line in lines {
        writeln!(other.stream, "{line}").unwrap();
        let missing = one.receive(PATIENCE).unwrap_err();
        assert!(matches!(missing, Missing::Version(2)), "{missing}");
        assert!(missing.to_string().starts_with("it speaks version 2 of the handover, and this process "));
    }
    // An earlier process of this version does not say its package.
    let ask = HandoverMessage::Ask { who: who(1, 2, 3) };
    let mut earlier = serde_json::to_value(&ask).unwrap();
    earlier["who"].as_object_mut().unwrap().remove("package").unwrap();
    writeln!(other.stream, "{earlier}").unwrap();
    assert_eq!(one.receive(PATIENCE).unwrap().0, ask);
}

#[test]
fn after_the_end_of_receiving_a_message_was_received_or_its_sender_knows_that_it_was_not() {
    let (mut one, mut other) = pair();
    other.send(&HandoverMessage::Accepting, &[], PATIENCE).unwrap();
    one.close_incoming();
    assert!(matches!(other.send(&HandoverMessage::Ready, &[], PATIENCE), Err(Missing::Gone)));
    assert!(matches!(one.receive(PATIENCE), Ok((HandoverMessage::Accepting, _))));
    assert!(matches!(one.receive(PATIENCE), Err(Missing::Gone)));
    let refused = HandoverMessage::Refused { why: "a test".to_owned() };
    one.send(&refused, &[], PATIENCE).unwrap();
    drop(one);
    assert_eq!(other.receive(PATIENCE).unwrap().0, refused);
    assert!(matches!(other.receive(PATIENCE), Err(Missing::Gone)));
}

/// A dump of stacks sends a signal to every thread.
#[test]
fn a_signal_does_not_end_a_message() {
    let (mut one, mut other) = pair();
    one.stream.set_nonblocking(true).unwrap();
    let mut filled = 0;
    while let Ok(written) = one.stream.write(&[b' '; 1024]) {
        filled += written as u64;
    }
    one.stream.set_nonblocking(false).unwrap();
    let sending = thread::spawn(move || one.send(&HandoverMessage::Ready, &[], PATIENCE));
    for _ in 0..10 {
        crate::stacks::dump_threads(&mut io::sink()).unwrap();
    }
    io::copy(&mut (&other.stream).take(filled), &mut io::sink()).unwrap();
    sending.join().unwrap().unwrap();
    assert!(matches!(other.receive(PATIENCE), Ok((HandoverMessage::Ready, _))));
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
        eprintln!("skipped: only root can start a process of another user");
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
