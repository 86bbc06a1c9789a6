//! The waiting output is limited.

use super::super::memory::Memory;
use super::*;

fn outbox(limit_bytes: usize) -> Outbox {
    Outbox::new(limit_bytes, Rc::new(Credit::of_connection(Memory::new(1 << 25))))
}

fn next(outbox: &mut Outbox) -> Option<Next> {
    let mut poll = || outbox.poll_next(false, &Context::from_waker(Waker::noop()));
    match poll() {
        Poll::Ready(next) => Some(next),
        // The first time it lets other tasks run.
        Poll::Pending => match poll() {
            Poll::Ready(next) => Some(next),
            Poll::Pending => None,
        },
    }
}

#[test]
fn what_more_comes_for_waits_and_is_written_together() {
    let mut outbox = outbox(1_000_000);
    let context = &Context::from_waker(Waker::noop());
    outbox.push(&[&[0; 104]]);
    for _ in 0..3 {
        assert!(outbox.poll_next(true, context).is_pending());
        outbox.push(&[&[0; 104]]);
    }
    let Some(Next::Write(bytes)) = next(&mut outbox) else { panic!("nothing to write") };
    assert_eq!(bytes.len(), 4 * 112);
    outbox.reuse(bytes);
    // A full TLS record does not wait, and nothing waits at the end.
    outbox.push(&[&[0; 16 * 1024]]);
    assert!(matches!(outbox.poll_next(true, context), Poll::Ready(Next::Write(_))));
    outbox.push(&[&[0; 104]]);
    let _ended = outbox.end(Ok(()));
    assert!(matches!(outbox.poll_next(true, context), Poll::Ready(Next::Write(_))));
}

#[test]
fn more_than_the_limit_is_not_kept() {
    let mut outbox = outbox(1000);
    for _ in 0..9 {
        outbox.push(&[&[0; 104]]);
    }
    assert!(outbox.congested() && outbox.queued() <= 1016);
    for _ in 0..100 {
        outbox.push(&[&[0; 104]]);
    }
    assert!(outbox.queued() <= 1016 && outbox.pending.len() <= 1016);
    assert!(matches!(next(&mut outbox), Some(Next::Overflow(End::NotReading))));
    outbox.discard();
    outbox.push(&[&[0; 104]]);
    assert_eq!(outbox.queued(), 0);
    assert!(next(&mut outbox).is_none());
    let _ended = outbox.end(Ok(()));
    assert!(matches!(next(&mut outbox), Some(Next::End(Ok(()), _))));
}

#[test]
fn what_is_being_written_counts_until_it_is_written() {
    let mut outbox = outbox(1000);
    outbox.push(&[&[0; 592]]);
    let Some(Next::Write(bytes)) = next(&mut outbox) else { panic!("nothing to write") };
    assert_eq!((bytes.len(), outbox.queued(), outbox.congested()), (600, 600, true));
    outbox.written(500);
    assert_eq!((outbox.queued(), outbox.congested()), (100, false));
    outbox.written(100);
    assert!(matches!(next(&mut outbox), Some(Next::Flush)));
    outbox.flushed();
    assert!(next(&mut outbox).is_none());
    assert_eq!(outbox.progress(), (600, 600));
}

#[test]
fn what_waits_is_charged_until_its_buffer_is_gone() {
    let credit = Rc::new(Credit::of_connection(Memory::new(1 << 17)));
    let before = credit.used();
    let mut outbox = Outbox::new(1 << 20, Rc::clone(&credit));
    outbox.push(&[&[0; 592]]);
    assert_eq!((outbox.charged(), credit.used() - before), (1200, 1200));
    let Some(Next::Write(bytes)) = next(&mut outbox) else { panic!("nothing to write") };
    outbox.written(bytes.len());
    assert_eq!(outbox.charged(), 1200, "the buffer is there");
    outbox.reuse(bytes);
    assert_eq!((outbox.charged(), credit.used()), (0, before));
    for _ in 0..100 {
        outbox.push(&[&[0; 16 * 1024]]);
    }
    assert!(credit.used() <= 1 << 17);
    assert!(matches!(next(&mut outbox), Some(Next::Overflow(End::TooMuchMemory))));
    outbox.discard();
    assert_eq!((outbox.charged(), credit.used()), (0, before));
}
