//! Tells errors of the machine from errors of a file. After an error of the machine, reading may succeed later.

use std::io;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

/// Whether the machine is at fault. Every other error is about the file, its name or its permissions.
pub(crate) fn is_at_fault(error: &io::Error) -> bool {
    // A thread that the system refuses has no error number.
    error.kind() == io::ErrorKind::WouldBlock || has_number_of_machine(error)
}

fn has_number_of_machine(error: &io::Error) -> bool {
    matches!(
        errno(error),
        Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOMEM
            | Errno::ENOBUFS
            | Errno::EAGAIN
            | Errno::EINTR
            | Errno::EIO
            | Errno::EREMOTEIO
            | Errno::ESTALE
            | Errno::ETIMEDOUT
            | Errno::ENOTCONN
            | Errno::ECONNABORTED
            | Errno::ECONNRESET
            | Errno::ECONNREFUSED
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::ENOLINK
    )
}

/// What to do about an error of the machine.
pub(crate) fn cure(error: &io::Error) -> Option<String> {
    match errno(error) {
        Errno::EMFILE => Some(format!(
            "the process has as many files open as it may{}; raise the limit RLIMIT_NOFILE, with LimitNOFILE= in a \
             systemd unit or ulimit -n",
            limit()
        )),
        Errno::ENFILE => {
            Some("the system has as many files open as it may; raise the sysctl fs.file-max".to_owned())
        }
        Errno::ENOMEM | Errno::ENOBUFS => Some("the system is short of memory".to_owned()),
        _ if has_number_of_machine(error) => {
            Some("the disk, or the mount that the file is on, failed; see the log of the system".to_owned())
        }
        _ => None,
    }
}

fn limit() -> String {
    getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, _)| format!(", {soft}")).unwrap_or_default()
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno as i32)
    }

    #[test]
    fn what_is_the_files_fault_is_not_the_machines() {
        let of_the_file =
            [Errno::ENOENT, Errno::EACCES, Errno::EPERM, Errno::ELOOP, Errno::ENOTDIR, Errno::ENAMETOOLONG];
        assert!(of_the_file.into_iter().all(|errno| !is_at_fault(&os(errno)) && cure(&os(errno)).is_none()));
        assert!(!is_at_fault(&io::Error::other("text alone")));
    }

    #[test]
    fn each_error_of_the_machine_has_a_cure() {
        let of_the_machine = [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOMEM,
            Errno::EIO,
            Errno::EINTR,
            Errno::ESTALE,
            Errno::ETIMEDOUT,
            Errno::ENOTCONN,
        ];
        assert!(
            of_the_machine.into_iter().all(|errno| is_at_fault(&os(errno)) && cure(&os(errno)).is_some())
        );
        let limit = cure(&os(Errno::EMFILE)).unwrap();
        assert!(limit.contains("RLIMIT_NOFILE") && limit.contains("ulimit -n"), "{limit}");
    }
}
