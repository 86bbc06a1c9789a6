//! Properties of the queue in every interleaving.

use std::sync::Arc;
use std::time::Instant;

use loom::thread;

use super::queue::{Batch, Queue};
use super::{LogLevel, sync::NEVER};

fn never() -> Instant {
    Instant::now() + NEVER
}

/// A thread that logs lines. Each begins with `name`.
fn logs(queue: &Arc<Queue>, name: u8, lines: u8) -> thread::JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || (0..lines).for_each(|number| queue.submit(&[name, number], LogLevel::Info, None)))
}

/// The writer, with a sink that takes everything. Returns the written bytes.
fn writes(queue: &Arc<Queue>) -> thread::JoinHandle<Vec<u8>> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        let (mut batch, mut written) = (Batch::default(), Vec::new());
        while let Some(next) = queue.next(batch) {
            batch = next;
            written.extend_from_slice(&batch.bytes);
            let bytes = batch.bytes.len();
            queue.count(&mut batch, bytes);
            queue.finish(&batch);
        }
        queue.writer_stopped();
        written
    })
}

/// A writer that ends after this number of lines.
fn takes(queue: &Arc<Queue>, lines: usize) -> thread::JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        let (mut batch, mut taken) = (Batch::default(), 0);
        while taken < lines {
            batch = queue.next(batch).unwrap();
            taken += batch.bytes.len() / 2;
            queue.finish(&batch);
        }
    })
}

/// The numbers of the lines that begin with `name`.
fn lines(written: &[u8], name: u8) -> Vec<u8> {
    written.chunks(2).filter(|line| line[0] == name).map(|line| line[1]).collect()
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn every_line_is_written_once_and_the_lines_of_a_thread_are_in_order() {
    check(|| {
        let queue = Arc::new(Queue::bounded(1024));
        let writer = writes(&queue);
        let other = logs(&queue, b'b', 2);
        queue.submit(b"a\0", LogLevel::Info, None);
        other.join().unwrap();
        assert!(queue.stop(never()));
        let written = writer.join().unwrap();
        assert_eq!((lines(&written, b'a'), lines(&written, b'b')), (vec![0], vec![0, 1]));
        assert_eq!((queue.counters.written(LogLevel::Info), queue.counters.dropped()), (3, 0));
    });
}

#[test]
fn a_line_wakes_the_writer_without_a_flush() {
    check(|| {
        let queue = Arc::new(Queue::bounded(1024));
        let writer = takes(&queue, 2);
        let other = logs(&queue, b'b', 1);
        queue.submit(b"a\0", LogLevel::Info, None);
        other.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn after_a_flush_all_earlier_lines_are_written() {
    check(|| {
        let queue = Arc::new(Queue::bounded(1024));
        let writer = writes(&queue);
        queue.submit(b"a\0", LogLevel::Info, None);
        let other = logs(&queue, b'b', 1);
        assert!(queue.flush(never()));
        assert!(queue.counters.written(LogLevel::Info) >= 1);
        other.join().unwrap();
        assert!(queue.flush(never()));
        assert_eq!(queue.counters.written(LogLevel::Info), 2);
        assert!(queue.stop(never()));
        writer.join().unwrap();
    });
}

#[test]
fn lines_without_room_and_lines_after_the_end_are_counted() {
    check(|| {
        // Room for one line.
        let queue = Arc::new(Queue::bounded(2));
        let writer = writes(&queue);
        let other = logs(&queue, b'b', 2);
        queue.submit(b"a\0", LogLevel::Info, None);
        assert!(queue.stop(never()));
        queue.submit(b"z\0", LogLevel::Info, None);
        other.join().unwrap();
        let written = writer.join().unwrap();
        assert!(lines(&written, b'z').is_empty() && lines(&written, b'b').is_sorted());
        assert_eq!(queue.counters.written(LogLevel::Info), written.len() as u64 / 2);
        assert_eq!(queue.counters.written(LogLevel::Info) + queue.counters.dropped(), 4);
    });
}
