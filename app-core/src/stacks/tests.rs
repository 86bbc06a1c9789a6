//! Dumps of real threads: parked ones, ones that block the signal, and ones that start and end.

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::gettid;

use super::capture::{Answer, SIGNAL, Session};
use super::threads::Thread;
use super::{dump_threads, print};

mod slots;

/// Set in the process that the test of a foreign handler starts.
const OWN_PROCESS: &str = "STACKS_TEST_OWN_PROCESS";

/// A thread that waits inside a known function until this is dropped.
struct Parked {
    tid: i32,
    go_on: Option<Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Parked {
    /// `inside` sends the id of the thread once it is in place, and waits there for the other channel.
    fn start(name: &str, inside: impl FnOnce(Sender<i32>, Receiver<()>) + Send + 'static) -> Self {
        let (go_on, wait) = channel();
        let (ready, there) = channel();
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || inside(ready, wait)).unwrap();
        Self { tid: there.recv().unwrap(), go_on: Some(go_on), handle: Some(handle) }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        drop(self.go_on.take());
        let ended = self.handle.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking());
    }
}

#[inline(never)]
fn waits_in_a_known_place(ready: Sender<i32>, wait: Receiver<()>) {
    ready.send(gettid().as_raw()).unwrap();
    let _ = wait.recv();
    black_box(());
}

#[inline(never)]
fn waits_with_the_signal_blocked(ready: Sender<i32>, wait: Receiver<()>) {
    SigSet::from(Signal::SIGURG).thread_block().unwrap();
    ready.send(gettid().as_raw()).unwrap();
    let _ = wait.recv();
    // A pending signal arrives now, long after the question.
    SigSet::from(Signal::SIGURG).thread_unblock().unwrap();
}

#[inline(never)]
fn goes_deeper(depth: usize, ready: Sender<i32>, wait: Receiver<()>) {
    if depth == 0 {
        waits_in_a_known_place(ready, wait);
    } else {
        goes_deeper(depth - 1, ready, wait);
    }
    black_box(());
}

fn dump() -> String {
    let mut out = Vec::new();
    dump_threads(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The lines of the thread with this name.
fn section<'a>(dump: &'a str, name: &str) -> &'a str {
    let named = format!(" \"{name}\"\n");
    dump.split("\n\n")
        .find(|section| section.contains(&named))
        .unwrap_or_else(|| panic!("no {name} in\n{dump}"))
}

#[test]
fn a_parked_thread_is_listed_by_name_with_the_functions_and_lines_it_is_in() {
    let parked = Parked::start("parked", waits_in_a_known_place);
    let dump = dump();
    let stack = section(&dump, "parked");
    assert!(stack.starts_with(&format!("thread {} \"parked\"\n   0: ", parked.tid)), "{stack}");
    let line = stack.lines().find(|line| line.contains("waits_in_a_known_place")).unwrap();
    assert!(line.contains("stacks/tests.rs:"), "{line}");
    assert!(!stack.contains("capture"), "the handler's own frames are left out:\n{stack}");
}

#[test]
fn the_asking_thread_is_in_its_own_dump() {
    let parked = Parked::start("asks-itself", |ready, _wait| {
        let dump = dump();
        assert!(section(&dump, "asks-itself").contains("dump_threads"));
        ready.send(gettid().as_raw()).unwrap();
    });
    drop(parked);
}

#[test]
fn a_thread_that_blocks_the_signal_is_reported_and_the_others_are_complete() {
    let _before = Parked::start("before", waits_in_a_known_place);
    let _deaf = Parked::start("deaf", waits_with_the_signal_blocked);
    let _after = Parked::start("after", waits_in_a_known_place);
    let dump = dump();
    let deaf = section(&dump, "deaf");
    assert!(
        deaf.contains("(no answer within 100ms: ") && deaf.contains(", the signal is blocked)"),
        "{dump}"
    );
    for name in ["before", "after"] {
        assert!(section(&dump, name).contains("waits_in_a_known_place"), "{dump}");
    }
}

#[test]
fn a_late_answer_does_not_reach_the_question_after_it() {
    for _ in 0..20 {
        let session = Session::begin(Duration::from_secs(60)).unwrap();
        let deaf = Parked::start("late", waits_with_the_signal_blocked);
        let parked = Parked::start("not-late", waits_in_a_known_place);
        assert!(matches!(session.ask(deaf.tid, Duration::from_millis(1)), Answer::Silent));
        // The thread unblocks the pending signal while the other thread is asked.
        drop(deaf);
        let answer = session.ask(parked.tid, Duration::from_secs(10));
        let names = print::names(std::iter::once(&answer));
        let text = print::thread(&Thread::look_up(parked.tid), &answer, &names);
        assert!(text.contains("waits_in_a_known_place"), "{text}");
        assert!(!text.contains("waits_with_the_signal_blocked"), "{text}");
    }
}

#[test]
fn a_thread_that_ended_is_no_answer_and_no_wait() {
    let parked = Parked::start("ended", waits_in_a_known_place);
    let tid = parked.tid;
    drop(parked);
    let session = Session::begin(Duration::from_secs(60)).unwrap();
    // A joined thread may still run its last instructions.
    let answer = session.ask(tid, Duration::from_secs(10));
    assert!(matches!(answer, Answer::Ended | Answer::Stack(_)), "{answer:?}");
}

#[test]
fn a_stack_is_cut_off_at_128_frames() {
    let _deep = Parked::start("deep", |ready, wait| goes_deeper(300, ready, wait));
    let dump = dump();
    let stack = section(&dump, "deep");
    assert!(stack.contains("waits_in_a_known_place"), "the innermost frames are kept:\n{stack}");
    assert!(stack.contains("\n 127: ") && !stack.contains("\n 128: "), "{stack}");
    assert!(stack.trim_end().ends_with("(cut off at 128 frames)"), "{stack}");
}

#[test]
fn a_read_that_was_interrupted_goes_on() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let reading = Parked::start("reading", move |ready, _wait| {
        ready.send(gettid().as_raw()).unwrap();
        // One system call. An `Interrupted` would fail here.
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 3);
    });
    for _ in 0..20 {
        assert!(section(&dump(), "reading").contains("read"));
    }
    writer.write_all(b"yes").unwrap();
    drop(reading);
}

#[test]
fn a_thread_name_cannot_pretend_to_be_another_line() {
    let _odd = Parked::start("a\nthread 1 \"b", waits_in_a_known_place);
    let dump = dump();
    assert!(dump.contains(r#" "a\nthread 1 \"b""#), "{dump}");
}

#[test]
fn two_hundred_dumps_finish_while_threads_allocate_panic_come_and_go() {
    let stop = AtomicBool::new(false);
    let running = || !stop.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let threads = [
            scope.spawn(|| {
                while running() {
                    black_box((0..64).map(|size| vec![1_u8; size * 97]).collect::<Vec<_>>());
                }
            }),
            scope.spawn(|| {
                while running() {
                    // Unwinds like a panic, but without a message on standard error.
                    let caught =
                        std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(black_box(1))));
                    assert!(caught.is_err());
                }
            }),
            scope.spawn(|| {
                while running() {
                    thread::spawn(|| black_box(vec![1_u8; 4096])).join().unwrap();
                }
            }),
        ];
        let _parked = Parked::start("steady", waits_in_a_known_place);
        let began = Instant::now();
        let complete =
            (0..200).filter(|_| section(&dump(), "steady").contains("waits_in_a_known_place")).count();
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        // On an overloaded machine, a thread may miss its 100 ms now and then.
        assert!(complete >= 190, "{complete} of 200");
        assert!(began.elapsed() < Duration::from_secs(300), "{:?}", began.elapsed());
    });
}

#[test]
fn dumps_at_the_same_time_take_turns() {
    let _parked = Parked::start("shared", waits_in_a_known_place);
    thread::scope(|scope| {
        for number in 0..8 {
            let name = format!("dumper-{number}");
            let dump_often = move || {
                for _ in 0..5 {
                    let dump = dump();
                    assert!(section(&dump, &format!("dumper-{number}")).contains("dump_threads"), "{dump}");
                    assert!(section(&dump, "shared").contains("waits_in_a_known_place"), "{dump}");
                }
            };
            thread::Builder::new().name(name).spawn_scoped(scope, dump_often).unwrap();
        }
    });
}

#[test]
fn a_foreign_handler_of_the_signal_stays_and_the_dump_is_refused() {
    // A handler belongs to the whole process, so this takes another process.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stacks::tests::in_a_process_that_handles_the_signal", "--ignored"])
        .env(OWN_PROCESS, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

#[test]
#[ignore = "run by a_foreign_handler_of_the_signal_stays_and_the_dump_is_refused"]
fn in_a_process_that_handles_the_signal() {
    // With `--include-ignored` it would run in the process of the other tests, and break their handler.
    if std::env::var_os(OWN_PROCESS).is_none() {
        return;
    }
    let seen = std::sync::Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGNAL, std::sync::Arc::clone(&seen)).unwrap();
    let error = dump_threads(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    nix::sys::signal::raise(Signal::SIGURG).unwrap();
    assert!(seen.load(Ordering::SeqCst));
}
