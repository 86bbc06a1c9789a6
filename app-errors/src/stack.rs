//! The stack of an error: addresses when it is raised, names when it is printed.
//!
//! Walking the stack takes microseconds. Looking up the names takes milliseconds, or tens of milliseconds for new
//! addresses, and most errors are never printed with their stack. A walk takes a lock of the `backtrace` crate, so errors
//! that are raised at the same time wait for one another. Specs of errors on hot paths should capture no stack.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::{Frame, frames_at};

mod outermost;

pub use self::outermost::outermost;

/// The most addresses that are captured, from the innermost frame outwards.
const MAX_FRAMES: usize = 64;

/// The frames of the capture itself are among this many innermost frames, inlined calls included.
const CAPTURE_FRAMES: usize = 16;

/// The functions that the capture itself puts on the stack: prefixes of their demangled names.
const OWN_FRAMES: [&str; 5] = [
    "backtrace::",
    "app_errors::stack::Stack::capture",
    "app_errors::error::builder::",
    "app_errors::error::spec::",
    "app_errors::constructors::",
];

/// A frame of one of these functions ends the stack for readers. What is further out belongs to the runtime, and is the
/// same in every stack.
const OUTERMOST: [&str; 2] = ["__rust_begin_short_backtrace", "app_errors::stack::outermost::call"];

/// The calls that led to the place where an error was raised. Cheap to clone.
///
/// [`Display`](fmt::Display) looks up the names and prints one line for each frame, innermost first.
#[derive(Clone)]
pub struct Stack {
    addresses: Arc<[usize]>,
    raised_at: &'static Location<'static>,
}

impl Stack {
    /// The addresses of the calling thread's stack.
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

    /// At most 64 return addresses, innermost first.
    ///
    /// The frames of the capture itself are included. Outer frames that [`frames`](Self::frames) leaves out are missing
    /// here once their address is known.
    #[must_use]
    pub fn addresses(&self) -> &[usize] {
        &self.addresses
    }

    /// Looks up the names, which takes milliseconds, and more the first time.
    ///
    /// Innermost first. Inlined calls are frames, too. The frames of the capture itself and of the thread's start are
    /// left out.
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(self.addresses.len());
        // A return address is behind the call instruction.
        let calls: Vec<_> = self.addresses.iter().map(|address| address.saturating_sub(1)).collect();
        let found = frames_at(&calls);
        for (address, call) in self.addresses.iter().copied().zip(&calls) {
            let here = &found[call];
            let end = here.iter().position(|frame| is_outermost(&frame.function));
            frames.extend_from_slice(&here[..end.unwrap_or(here.len())]);
            if end.is_some() {
                // Later walks can end here.
                outermost::learn(address);
                break;
            }
        }
        let start = self.start(&frames);
        frames.drain(..start);
        frames
    }

    /// The index of the first frame to show.
    ///
    /// It is the frame at the source location where the error was raised. Without one, because the binary has no line
    /// tables or the compiler removed the frame, it is the frame after the last [`OWN_FRAMES`]. Names alone are not
    /// enough: line tables do not have the path of an inlined function.
    fn start(&self, frames: &[Frame]) -> usize {
        let innermost = &frames[..frames.len().min(CAPTURE_FRAMES)];
        let raised_here = |(file, line): &(String, u32)| {
            file.ends_with(self.raised_at.file()) && *line == self.raised_at.line()
        };
        let own = || innermost.iter().rposition(|frame| is_own(&frame.function)).map(|last| last + 1);
        let raised = innermost.iter().position(|frame| frame.place.as_ref().is_some_and(raised_here));
        raised.or_else(own).unwrap_or(0)
    }
}

fn is_own(function: &str) -> bool {
    // Some versions of the compiler write a method as `<path::Type>::method`.
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

/// The addresses, without a look-up of names.
impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stack({:x?})", self.addresses)
    }
}

#[cfg(test)]
mod tests;
