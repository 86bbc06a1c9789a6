//! The addresses at which a stack ends for readers. What is further out belongs to the runtime, and is the same in every
//! stack.
//!
//! Walking takes a tenth of a microsecond for each frame, so a walk ends at a known address. Addresses become known in two
//! ways: from printed stacks (the frame in which the standard library calls `main` or a thread's function), and from
//! [`outermost`].

use std::hint::black_box;
use std::sync::{Once, OnceLock};

/// A process has few such addresses: one for `main`, and one for each type of function that a thread was started with.
const MAX_KNOWN: usize = 16;

/// Filled from the front.
static KNOWN: [OnceLock<usize>; MAX_KNOWN] = [const { OnceLock::new() }; MAX_KNOWN];

/// Whether the stack ends at this address.
pub(super) fn is_known(address: usize) -> bool {
    KNOWN.iter().map_while(OnceLock::get).any(|known| *known == address)
}

/// Ends stacks at this address from now on. Without room for one more, walks go on as before, which only costs time.
pub(super) fn learn(address: usize) {
    for slot in &KNOWN {
        if *slot.get_or_init(|| address) == address {
            return;
        }
    }
}

/// Calls `work`, and ends the stacks of errors that `work` raises at this call.
///
/// It is for runtimes that call other code, such as the tasks of a service, and want their own frames left out of every
/// error. It takes two nanoseconds. Of nested calls, the innermost ends the stack.
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

/// The frame whose address is known. It is not generic, so that there is only one address.
#[inline(never)]
fn call(work: &mut dyn FnMut()) {
    work();
    // Prevents a tail call, which would leave no frame.
    black_box(work);
}

/// Learns the return address into [`call`].
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
