//! Turns at a command server's state: whoever runs a command, it runs once, in order, and never after the end.

use std::sync::Arc;

use loom::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{check, source::desk::Desk};

/// Who handed a command over, and his how-manieth it was.
type Command = (usize, u32);

/// What ran, in its order.
type Ran = Vec<Command>;

struct Server {
    desk: Desk<Ran>,
    queue: Mutex<Vec<Command>>,
}

impl Server {
    fn new() -> Arc<Self> {
        let server = Self { desk: Desk::new(), queue: Mutex::new(Vec::new()) };
        server.desk.open(Vec::new());
        Arc::new(server)
    }

    fn enqueue(&self, command: Command) {
        let place = self.desk.line_up();
        self.queue.lock().unwrap().push(command);
        place.keep();
    }

    /// Hands a command over: at once, or else into the queue.
    fn submit(&self, command: Command) {
        if let Some(mut turn) = self.desk.turn_out_of_line(1) {
            turn.begin().unwrap().push(command);
            turn.end(0);
        } else {
            self.enqueue(command);
        }
    }

    /// Runs what is in the queue, as the server's task does: taken out first, run in a turn of its own.
    fn serve(&self) {
        let batch = std::mem::take(&mut *self.queue.lock().unwrap());
        if batch.is_empty() {
            return;
        }
        let mut turn = loop {
            match self.desk.turn() {
                Some(turn) => break turn,
                None => thread::yield_now(),
            }
        };
        turn.begin().unwrap().extend(&batch);
        turn.end(batch.len());
    }

    fn ended(&self) -> Ran {
        self.serve();
        assert!(self.desk.turn_out_of_line(1).is_some(), "what ran is still counted as waiting");
        self.desk.turn().unwrap().take().unwrap()
    }
}

#[test]
fn commands_of_one_caller_run_in_their_order_wherever_they_run() {
    check(|| {
        let server = Server::new();
        let caller = thread::spawn({
            let server = Arc::clone(&server);
            move || {
                server.enqueue((1, 0));
                server.submit((1, 1));
            }
        });
        let serves = thread::spawn({
            let server = Arc::clone(&server);
            move || server.serve()
        });
        server.submit((0, 0));
        caller.join().unwrap();
        serves.join().unwrap();
        let ran = server.ended();
        assert_eq!(ran.len(), 3, "{ran:?}");
        let of_caller: Vec<_> = ran.iter().filter(|(who, _)| *who == 1).map(|(_, number)| *number).collect();
        assert_eq!(of_caller, [0, 1]);
    });
}

#[test]
fn what_one_caller_was_told_of_runs_before_what_he_hands_over_then() {
    check(|| {
        let server = Server::new();
        let told = Arc::new(AtomicBool::new(false));
        let other = thread::spawn({
            let (server, told) = (Arc::clone(&server), Arc::clone(&told));
            move || {
                server.enqueue((1, 0));
                told.store(true, Ordering::Release);
            }
        });
        let serves = thread::spawn({
            let server = Arc::clone(&server);
            move || server.serve()
        });
        let was_told = told.load(Ordering::Acquire);
        server.submit((0, 0));
        other.join().unwrap();
        serves.join().unwrap();
        let ran = server.ended();
        assert_eq!(ran.len(), 2, "{ran:?}");
        assert!(!was_told || ran == [(1, 0), (0, 0)], "{ran:?}");
    });
}

#[test]
fn nothing_runs_after_the_end() {
    check(|| {
        let server = Server::new();
        let caller = thread::spawn({
            let server = Arc::clone(&server);
            move || {
                let mut turn = server.desk.turn_out_of_line(1)?;
                turn.begin()?.push((1, 0));
                turn.end(0);
                Some(())
            }
        });
        server.desk.close();
        let late = server.desk.turn().is_some_and(|mut turn| turn.begin().is_some());
        assert!(!late, "it runs after the end");
        caller.join().unwrap();
    });
}

#[test]
fn a_panic_leaves_no_state() {
    check(|| {
        let server = Server::new();
        let caller = thread::spawn({
            let server = Arc::clone(&server);
            move || {
                let mut turn = server.desk.turn_out_of_line(1)?;
                turn.begin()?.push((1, 0));
                // As a panic does: the turn ends without being told so.
                drop(turn);
                Some(())
            }
        });
        let next = server.desk.turn_out_of_line(1).map(|mut turn| {
            let left = turn.begin().map(|ran| ran.len());
            turn.end(0);
            left
        });
        assert!(!matches!(next, Some(Some(1..))), "a state that a command left in the middle");
        if caller.join().unwrap().is_some() {
            assert!(server.desk.turn().unwrap().take().is_none());
        }
    });
}
