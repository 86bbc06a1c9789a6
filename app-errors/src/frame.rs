//! One call on a stack, with names.

use std::fmt;

use crate::one_line;

/// One call on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The path of the function.
    ///
    /// Without a name in the binary, it is the address of the call, then the mapped file and the address in that file:
    /// `0x55d0a1b2 (app+0x1b2)`. For an inlined call, line tables have only the last part of the path.
    pub function: String,
    /// Source file and line, if the binary has line tables (`debug = "line-tables-only"` is enough).
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
