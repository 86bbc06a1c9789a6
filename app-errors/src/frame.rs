//! A call on a stack, as people read it.

use std::fmt;

use crate::one_line;

/// A call on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The function's path. If the binary has no name for it, the address inside of the call, with the file that it is
    /// mapped from and the address in that: `0x55d0a1b2 (app+0x1b2)`. Of a call that the compiler inlined,
    /// line tables have the last part of the path only.
    pub function: String,
    /// Source file and line, if the binary has them (`debug = "line-tables-only"` is enough).
    pub place: Option<(String, u32)>,
}

/// `function (file:line)`, on one line.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", one_line(&self.function))?;
        if let Some((file, line)) = &self.place {
            f.write_str(" (")?;
            write!(f, "{}", one_line(file))?;
            write!(f, ":{line})")?;
        }
        Ok(())
    }
}
