//! Tests of both sides of a handover: at every point the listeners belong to one of them.

use std::{
    io,
    net::TcpListener,
    os::{fd::AsFd, unix::net::UnixStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    HandoverPath,
    running::{Deadlines, HandedOver, HandoverSocket},
    starting::{self, Predecessor, ask, connected},
    wire::{Channel, HandoverMessage, Offered, Who},
};
use crate::Identity;

const SOON: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any test takes.
const PATIENT: Deadlines = Deadlines { ask: PATIENCE, ready: PATIENCE, accepting: PATIENCE };

fn who() -> Who {
    Who::of(&Identity::new(1.into(), 2.into(), 3.into()), None)
}

/// The socket of a running process, in a folder of its own.
fn socket(deadlines: Deadlines) -> (tempfile::TempDir, HandoverSocket) {
    let folder = tempfile::tempdir().unwrap();
    let path = HandoverPath::new(&folder.path().join("handover"));
    let mut socket = HandoverSocket::at(path, who()).unwrap();
    socket.deadlines = deadlines;
    (folder, socket)
}

type Running = JoinHandle<Result<HandedOver, String>>;

/// Both sides of a handover, once the starting process has its offer.
fn begun(deadlines: Deadlines, began: impl FnOnce(&str) + Send + 'static) -> (Running, Predecessor) {
    let (stream, other) = UnixStream::pair().unwrap();
    let running = thread::spawn(move || {
        let (_folder, socket) = socket(deadlines);
        socket.hand_over(stream, || None, || Ok(Vec::new()), began)
    });
    let (predecessor, offers) = ask(other, &who()).unwrap();
    assert!(offers.is_empty());
    (running, predecessor)
}

#[test]
fn a_process_that_is_ready_and_accepts_gets_the_listeners() {
    let (running, starting) = begun(PATIENT, |_| {});
    starting.take_over().unwrap();
    running.join().unwrap().unwrap();
}

#[test]
fn a_process_that_was_too_slow_reads_that_it_was_refused_and_does_not_take_over() {
    let (running, mut starting) = begun(Deadlines { ready: SOON, ..PATIENT }, |_| {});
    let told = running.join().unwrap().unwrap_err();
    assert!(told.ends_with("it took too long to become ready; this process goes on"), "{told}");
    let refused = starting.ready(PATIENCE).unwrap_err();
    assert_eq!(refused, "the running process goes on: this process took too long to become ready");
}

#[test]
fn a_process_that_freezes_after_the_last_question_does_not_take_over() {
    let (running, mut starting) = begun(Deadlines { accepting: SOON, ..PATIENT }, |_| {});
    starting.ready(PATIENCE).unwrap();
    let told = running.join().unwrap().unwrap_err();
    assert!(told.ends_with("it does not answer; this process goes on"), "{told}");
    let refused = starting.accepts(PATIENCE).unwrap_err();
    assert_eq!(refused, "the running process goes on: this process was ready and did not accept in time");
}

#[test]
fn both_sides_always_agree_who_has_the_listeners() {
    for micros in (0..100).cycle().take(500) {
        let accepting = Duration::from_micros(micros);
        let (running, mut starting) = begun(Deadlines { accepting, ..PATIENT }, |_| {});
        starting.ready(PATIENCE).unwrap();
        let accepts = starting.accepts(PATIENCE);
        let handed_over = running.join().unwrap();
        assert_eq!(handed_over.is_ok(), accepts.is_ok(), "{micros} µs: {handed_over:?}, {accepts:?}");
    }
}

#[test]
fn a_running_process_whose_handover_panics_goes_on_and_says_so() {
    let (running, mut starting) = begun(PATIENT, |_| std::panic::resume_unwind(Box::new("a test")));
    assert!(running.join().is_err());
    let refused = starting.ready(PATIENCE).unwrap_err();
    assert_eq!(refused, "the running process goes on: its handover failed");
}

#[test]
fn a_process_whose_predecessor_ends_without_a_word_takes_over() {
    for has_asked in [false, true] {
        let (stream, other) = UnixStream::pair().unwrap();
        let running = thread::spawn(move || {
            let mut channel = Channel::new(stream).unwrap();
            channel.receive(PATIENCE).unwrap();
            let offer = HandoverMessage::Offer { who: who(), listeners: Vec::new() };
            channel.send(&offer, &[], PATIENCE).unwrap();
            if has_asked {
                channel.receive(PATIENCE).unwrap();
                channel.send(&HandoverMessage::Go, &[], PATIENCE).unwrap();
            }
        });
        let (mut starting, _) = ask(other, &who()).unwrap();
        if has_asked {
            starting.ready(PATIENCE).unwrap();
        }
        running.join().unwrap();
        if !has_asked {
            starting.ready(PATIENCE).unwrap();
        }
        starting.accepts(PATIENCE).unwrap();
    }
}

#[test]
fn a_running_process_without_an_answer_is_not_replaced() {
    let (stream, other) = UnixStream::pair().unwrap();
    let running = thread::spawn(move || {
        let mut channel = Channel::new(stream).unwrap();
        channel.receive(PATIENCE).unwrap();
        let offer = HandoverMessage::Offer { who: who(), listeners: Vec::new() };
        channel.send(&offer, &[], PATIENCE).unwrap();
        channel
    });
    let (mut starting, _) = ask(other, &who()).unwrap();
    let _frozen = running.join().unwrap();
    assert!(starting.ready(SOON).unwrap_err().ends_with("it does not answer"));
}

#[test]
fn an_offer_that_does_not_match_its_descriptors_is_refused() {
    let (socket, elsewhere) = (TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0"));
    let (socket, elsewhere) = (socket.unwrap(), elsewhere.unwrap().local_addr().unwrap());
    let offered = |address| Offered { name: "rpc".to_owned(), address };
    let here = offered(socket.local_addr().unwrap());
    let lies = [
        (vec![here.clone(), here], "names 2 listeners and sends 1".to_owned()),
        (vec![offered(elsewhere)], format!("is not at {elsewhere}, but at {}", socket.local_addr().unwrap())),
    ];
    for (listeners, text) in lies {
        let (stream, other) = UnixStream::pair().unwrap();
        let mut running = Channel::new(stream).unwrap();
        let offer = HandoverMessage::Offer { who: who(), listeners };
        running.send(&offer, &[socket.as_fd()], PATIENCE).unwrap();
        let told = ask(other, &who()).unwrap_err();
        assert!(told.contains(&text), "{text}: {told}");
    }
}

#[test]
fn a_client_that_says_nothing_does_not_keep_a_starting_process_waiting_until_it_gives_up() {
    let own = Deadlines::default();
    for shorter in [own.ask, own.accepting] {
        assert!(shorter * 2 <= starting::ANSWER, "the running process decides first");
    }
    let (_folder, socket) = socket(Deadlines { ask: SOON, ..PATIENT });
    let (stream, _silent) = UnixStream::pair().unwrap();
    let failed = socket.hand_over(stream, || None, || Err(io::Error::other("asked")), |_| {}).unwrap_err();
    assert!(failed.ends_with("was refused: it does not answer"), "{failed}");
}

#[test]
fn a_running_process_that_accepts_nothing_is_waited_for_with_a_deadline() {
    let (folder, _socket) = socket(PATIENT);
    let path = folder.path().join("handover");
    let mut waiting = Vec::new();
    let full = loop {
        match connected(&path, Duration::ZERO) {
            Ok(stream) => waiting.push(stream),
            Err(full) => break full,
        }
        assert!(waiting.len() < 100, "its queue is short");
    };
    assert_eq!(full.kind(), io::ErrorKind::TimedOut, "{full}");
    assert_eq!(connected(&path, SOON).unwrap_err().kind(), io::ErrorKind::TimedOut);
}
