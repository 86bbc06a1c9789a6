//! Standard output of subcommands.

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// Writes to standard output. A closed pipe (`| head`) is a success. Any other error, such as a full disk, is printed, and
/// the exit status is 1.
///
/// ```
/// assert_eq!(app_core::write_output(|out| writeln!(out, "hello")), std::process::ExitCode::SUCCESS);
/// ```
pub fn write_output(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // If this fails as well, only the exit status remains.
            let _ = writeln!(
                io::stderr(),
                "cannot write the output: {}",
                app_errors::one_line(&error.to_string())
            );
            ExitCode::FAILURE
        }
    }
}
