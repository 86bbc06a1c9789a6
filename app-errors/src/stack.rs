//! The stack of an error: addresses when it is raised, names when somebody wants to read them.
//!
//! Walking the stack takes microseconds; finding the names takes milliseconds, and tens of them for the first error of
//! a process, when the debug information is read. Most errors are never printed with their stack. Both take a lock of
//! the `backtrace` crate, so that an error raised while another thread looks names up waits for it: what is raised in
//! hot paths does without a stack.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::print::write_escaped;

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

/// A call on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The function's path, or its address if the binary has no name for it. Of a call that the compiler inlined,
    /// line tables have the last part of the path only.
    pub function: String,
    /// Source file and line, if the binary has them (`debug = "line-tables-only"` is enough).
    pub place: Option<(String, u32)>,
}

/// `function (file:line)`, on one line.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, &self.function)?;
        if let Some((file, line)) = &self.place {
            f.write_str(" (")?;
            write_escaped(f, file)?;
            write!(f, ":{line})")?;
        }
        Ok(())
    }
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
        for address in self.addresses.iter().copied() {
            let mut resolved = resolve(address);
            let end = resolved.iter().position(|frame| is_outermost(&frame.function));
            frames.extend(resolved.drain(..end.unwrap_or(resolved.len())));
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

/// The functions at an address: several where calls were inlined.
fn resolve(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        // `#` leaves the hash at the end of the name out.
        let function = symbol.name().map_or_else(|| format!("{address:#x}"), |name| format!("{name:#}"));
        let file = symbol.filename().map(|file| file.display().to_string());
        frames.push(Frame { function, place: file.zip(symbol.lineno()) });
    });
    if frames.is_empty() {
        frames.push(Frame { function: format!("{address:#x}"), place: None });
    }
    frames
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
