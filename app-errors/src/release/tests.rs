//! Long chains are dropped without recursion, also with foreign errors between.

use std::error::Error as StdError;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::{fmt, mem};

use app_ids::ServiceId;

use super::*;
use crate::errors::SERVICE_NOT_ALIVE;
use crate::{BoxError, Error};

/// Counts its drops. Panics in its drop if the flag is set.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>, bool);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counted")
    }
}

impl StdError for Counted {}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert!(!self.1, "on purpose");
    }
}

fn error(cause: impl Into<BoxError>) -> Error {
    SERVICE_NOT_ALIVE.error(ServiceId::new(1)).cause(cause).build()
}

fn chain(length: usize, innermost: Counted, wrap: fn(Error) -> BoxError) -> Error {
    (1..length).fold(error(innermost), |cause, _| error(wrap(cause)))
}

/// Runs `work` on a stack that recursion would overflow.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(128 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_chain_of_100_000_errors_is_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let chain = chain(100_000, Counted(drops.clone(), false), Into::into);
        let clone = chain.clone();
        drop(chain);
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        drop(clone);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_chain_with_foreign_errors_between_is_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        drop(chain(100_000, Counted(drops.clone(), false), |error| io::Error::other(error).into()));
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_part_with_another_owner_is_not_dropped() {
    let drops = Arc::new(AtomicUsize::new(0));
    let held = chain(10, Counted(drops.clone(), false), Into::into);
    drop(error(held.clone()));
    assert_eq!((held.chain().count(), drops.load(Ordering::SeqCst)), (11, 0));
    drop(held);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_drop_that_panics_leaves_the_thread_able_to_drop_others() {
    let drops = Arc::new(AtomicUsize::new(0));
    let panics = chain(3, Counted(drops.clone(), true), Into::into);
    catch_unwind(AssertUnwindSafe(|| drop(panics))).unwrap_err();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    drop(chain(3, Counted(drops.clone(), false), Into::into));
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    assert!(QUEUE.take().is_none());
}

#[test]
fn a_chain_that_outlives_its_threads_queue_is_dropped() {
    /// Holds an error until the thread-local storage of the thread is destroyed.
    struct AtTheEnd(RefCell<Option<Error>>);
    thread_local!(static LAST: AtTheEnd = const { AtTheEnd(RefCell::new(None)) });
    let drops = Arc::new(AtomicUsize::new(0));
    let innermost = Counted(drops.clone(), false);
    thread::spawn(move || {
        // Used before the queue, and so destroyed after it.
        LAST.with(|last| mem::drop(last.0.take()));
        drop(chain(2, Counted(Arc::default(), false), Into::into));
        LAST.with(|last| last.0.replace(Some(chain(5, innermost, Into::into))));
    })
    .join()
    .unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}
