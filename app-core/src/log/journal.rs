//! systemd's journal, which reads the priority of a line from its first bytes.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use super::LogLevel;

/// The variable with device and inode of the stream that systemd gave the process for its output.
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// The start of a line of this level: its priority, as in syslog.
pub(super) const fn priority(level: LogLevel) -> &'static [u8] {
    match level {
        LogLevel::Error => b"<3>",
        LogLevel::Warn => b"<4>",
        LogLevel::Info => b"<6>",
        LogLevel::Debug => b"<7>",
    }
}

/// Whether standard error is the journal. The variable alone is not enough: child processes inherit it, and output may
/// be redirected.
pub(super) fn is_stderr() -> bool {
    let named = std::env::var(JOURNAL_STREAM).ok().and_then(|text| stream(&text));
    named.is_some() && named == stderr().ok()
}

/// Device and inode, as in `8:1234`.
fn stream(text: &str) -> Option<(u64, u64)> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

fn stderr() -> io::Result<(u64, u64)> {
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let metadata = stderr.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_two_numbers() {
        assert_eq!(stream("8:1234"), Some((8, 1234)));
        for garbage in
            ["", ":", "8", "8:", ":8", "8:x", "8:1:2", "-8:1", "99999999999999999999999:1", "8 : 1"]
        {
            assert_eq!(stream(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn levels_have_the_priorities_of_syslog() {
        let priorities = LogLevel::ALL.map(|level| String::from_utf8_lossy(priority(level)).into_owned());
        assert_eq!(priorities, ["<7>", "<6>", "<4>", "<3>"]);
    }
}
