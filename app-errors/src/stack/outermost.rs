//! Where a stack ends for a reader: what is further out is the runtime's, and the same in every stack.
//!
//! Walking costs a tenth of a microsecond a frame, so a walk ends at the addresses that are known to be such ends. They
//! are learned in two ways: from stacks that were printed (the frame in which the standard library calls `main` or a
//! thread's function), and from [`outermost`].

use std::hint::black_box;
use std::sync::{Once, OnceLock};

/// A process has few: one for `main`, one for each type of function that a thread was started with.
const MAX_KNOWN: usize = 16;

/// Filled from the front; each is set once.
static KNOWN: [OnceLock<usize>; MAX_KNOWN] = [const { OnceLock::new() }; MAX_KNOWN];

/// Whether readers want nothing of what called this.
pub(super) fn is_known(address: usize) -> bool {
    KNOWN.iter().map_while(OnceLock::get).any(|known| *known == address)
}

/// From now on stacks end at this address. With no room left they don't, which costs time and nothing else.
pub(super) fn learn(address: usize) {
    for slot in &KNOWN {
        if *slot.get_or_init(|| address) == address {
            return;
        }
    }
}

/// Calls `work`. The stacks of errors raised in there end with it: for those who run other people's code, such as the
/// tasks of a service, and whose own frames nobody wants to read in every error. Two nanoseconds; ends that are
/// nested end at the inner one.
///
/// ```
/// let mut raised = None;
/// app_errors::outermost(&mut || raised = Some(app_errors::errors::BUG.error(app_ids::ServiceId::new(1)).build()));
/// # let raised = raised.unwrap();
/// assert_eq!(raised.stack().unwrap().frames().len(), 1); // this closure
/// ```
pub fn outermost(work: &mut dyn FnMut()) {
    static LEARNED: Once = Once::new();
    LEARNED.call_once(|| call(&mut learn_call));
    call(work);
}

/// The frame that is known: not generic, so that there is one address.
#[inline(never)]
fn call(work: &mut dyn FnMut()) {
    work();
    // Something to do after the call, or it is no call but a jump.
    black_box(work);
}

/// Learns the address in [`call`] that called this.
fn learn_call() {
    let start = (call as *const ()).addr();
    backtrace::trace(|frame| {
        let found = frame.symbol_address().addr() == start;
        if found {
            learn(frame.ip().addr());
        }
        !found
    });
}
