//! The stack of an error: addresses when it is raised, names when somebody wants to read them.
//!
//! Walking the stack takes microseconds; finding the names takes milliseconds, or tens of them for a place that was
//! not looked up before. Most errors are never printed with their stack. A walk takes a lock of the `backtrace` crate,
//! so errors that are raised at the same time wait for one another: what is raised in hot paths does without a stack.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::{Frame, frames_at};

mod outermost;

pub use self::outermost::outermost;

/// At most this many frames are captured, from the innermost one outwards.
const MAX_FRAMES: usize = 64;

/// The frames of the capture itself are among the first so many, calls that the compiler inlined included.
const INNERMOST: usize = 16;

/// What the capture itself puts on the stack, by the start of the demangled names.
const OWN_FRAMES: [&str; 6] = [
    "backtrace::",
    "app_errors::stack::Stack::capture",
    "app_errors::builder::ErrorBuilder::new",
    "app_errors::spec::ErrSpec::error",
    "app_errors::spec::ServiceErrSpec::error",
    "app_errors::constructors::",
];

/// The frames from one of these on are the runtime's, and the same in every stack.
const OUTERMOST: [&str; 2] = ["__rust_begin_short_backtrace", "app_errors::stack::outermost::call"];

/// The calls that led to where an error was raised.
///
/// [`Display`](fmt::Display) looks the names up and prints a line per frame, innermost first. Cheap to clone.
#[derive(Clone)]
pub struct Stack {
    addresses: Arc<[usize]>,
    raised_at: &'static Location<'static>,
}

impl Stack {
    /// The calling thread's stack, addresses only.
    #[inline(never)]
    pub(crate) fn capture(raised_at: &'static Location<'static>) -> Self {
        let mut addresses = [0_usize; MAX_FRAMES];
        let mut count = 0;
        backtrace::trace(|frame| {
            let address = frame.ip().addr();
            addresses[count] = address;
            count += 1;
            count < MAX_FRAMES && !outermost::is_known(address)
        });
        Self { addresses: addresses[..count].into(), raised_at }
    }

    /// The addresses, innermost first, the frames of the capture itself included: at most 64, and none of callers that
    /// are known to be left out of [`frames`](Self::frames).
    #[must_use]
    pub fn addresses(&self) -> &[usize] {
        &self.addresses
    }

    /// Looks the names up: takes milliseconds, more the first time. Innermost first; calls that the compiler inlined
    /// are frames too; the frames of the capture itself and of the thread's start are left out.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(self.addresses.len());
        // What an address returns to lies behind the call.
        let calls: Vec<_> = self.addresses.iter().map(|address| address.saturating_sub(1)).collect();
        let found = frames_at(&calls);
        for (address, call) in self.addresses.iter().copied().zip(&calls) {
            let here = &found[call];
            let end = here.iter().position(|frame| is_outermost(&frame.function));
            frames.extend_from_slice(&here[..end.unwrap_or(here.len())]);
            if end.is_some() {
                // The walks to come can end here.
                outermost::learn(address);
                break;
            }
        }
        let start = self.start(&frames);
        frames.drain(..start);
        frames
    }

    /// Where the frames begin that a reader wants: at the place where the error was raised, if the binary has places
    /// and the compiler left that frame; else after the last frame that is the capture's by name. Names alone would
    /// not do, since line tables have no path of an inlined function.
    fn start(&self, frames: &[Frame]) -> usize {
        let innermost = &frames[..frames.len().min(INNERMOST)];
        let raised_here = |(file, line): &(String, u32)| {
            file.ends_with(self.raised_at.file()) && *line == self.raised_at.line()
        };
        let own = || innermost.iter().rposition(|frame| is_own(&frame.function)).map(|last| last + 1);
        let raised = innermost.iter().position(|frame| frame.place.as_ref().is_some_and(raised_here));
        raised.or_else(own).unwrap_or(0)
    }
}

fn is_own(function: &str) -> bool {
    // A method's name may be `<path::Type>::method`, by the compiler's version.
    let path = function.replace(['<', '>'], "");
    OWN_FRAMES.iter().any(|own| path.starts_with(own))
}

fn is_outermost(function: &str) -> bool {
    OUTERMOST.iter().any(|outermost| function.contains(outermost))
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, frame) in self.frames().iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{at:>4}: {frame}")?;
        }
        Ok(())
    }
}

/// Addresses only, without looking names up.
impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stack({:x?})", self.addresses)
    }
}

#[cfg(test)]
mod tests;
