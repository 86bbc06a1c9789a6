//! Commands of an inline server, which callers and the server's task run. Each runs once, in order, and none after the end.

use std::sync::Arc;

use loom::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{check, source::state_cell::StateCell};

/// A command: its caller, and its number among the caller's commands, starting at 0.
type Command = (usize, u32);

/// The commands that ran, in order.
type Ran = Vec<Command>;

struct Server {
    cell: StateCell<Ran>,
    queue: Mutex<Vec<Command>>,
}

impl Server {
    fn new() -> Arc<Self> {
        let server = Self { cell: StateCell::new(), queue: Mutex::new(Vec::new()) };
        server.cell.open(Vec::new());
        Arc::new(server)
    }

    fn enqueue(&self, command: Command) {
        let slot = self.cell.enqueue();
        self.queue.lock().unwrap().push(command);
        slot.keep();
    }

    /// Runs a command inline, or puts it into the queue.
    fn submit(&self, command: Command) {
        if let Some(mut guard) = self.cell.lock_if_idle(1) {
            guard.begin().unwrap().push(command);
            guard.finish(0);
        } else {
            self.enqueue(command);
        }
    }

    /// Runs the commands of the queue as the server's task does: first receives them, then locks the cell.
    fn serve(&self) {
        let batch = std::mem::take(&mut *self.queue.lock().unwrap());
        if batch.is_empty() {
            return;
        }
        let mut guard = self.cell.lock();
        guard.begin().unwrap().extend(&batch);
        guard.finish(batch.len());
    }

    fn ended(&self) -> Ran {
        self.serve();
        assert!(self.cell.lock_if_idle(1).is_some(), "finished commands still count as queued");
        self.cell.lock().take().unwrap()
    }
}

#[test]
fn commands_of_one_caller_run_in_order_inline_or_queued() {
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
fn a_command_that_a_caller_was_told_of_runs_before_its_own_next_one() {
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
                let mut guard = server.cell.lock_if_idle(1)?;
                guard.begin()?.push((1, 0));
                guard.finish(0);
                Some(())
            }
        });
        server.cell.close();
        assert!(server.cell.lock().begin().is_none(), "a command could run after the end");
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
                let mut guard = server.cell.lock_if_idle(1)?;
                guard.begin()?.push((1, 0));
                // A panic drops the guard without `finish`.
                drop(guard);
                Some(())
            }
        });
        let next = server.cell.lock_if_idle(1).map(|mut guard| {
            let left = guard.begin().map(|ran| ran.len());
            guard.finish(0);
            left
        });
        assert!(!matches!(next, Some(Some(1..))), "the state of a command that panicked is used again");
        if caller.join().unwrap().is_some() {
            assert!(server.cell.lock().take().is_none());
        }
    });
}
