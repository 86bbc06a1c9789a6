//! Reading a file: what is read, and what is refused at once.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::*;

fn refusal(path: &Path) -> String {
    match read(path, FileKind::Config) {
        Ok(content) => format!("{:?}", content.map(|content| content.bytes)),
        Err(error) => error.to_string(),
    }
}

fn with_file(content: &[u8]) -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    (dir, path)
}

#[test]
fn a_regular_file_is_read_also_through_links() {
    let (dir, path) = with_file(b"content");
    assert_eq!(&*read(&path, FileKind::Config).unwrap().unwrap().bytes, b"content");
    // As in a secret that Kubernetes mounts: the name is a link into a directory that is a link.
    let (data, name) = (dir.path().join("..data"), dir.path().join("name"));
    symlink(dir.path(), &data).unwrap();
    symlink("..data/file", &name).unwrap();
    assert_eq!(&*read(&name, FileKind::Config).unwrap().unwrap().bytes, b"content");
}

#[test]
fn a_file_that_is_not_there_is_no_error_and_a_dangling_link_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    assert!(read(&path, FileKind::Config).unwrap().is_none());
    symlink("nowhere", &path).unwrap();
    assert_eq!(refusal(&path), "the file is a symbolic link to a path that does not exist");
}

#[test]
fn links_in_a_circle_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    symlink("file", &path).unwrap();
    assert_eq!(refusal(&path), "the file can't be opened");
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(refusal(dir.path()), "the file is a directory, not a regular file");
    let fifo = dir.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRUSR).unwrap();
    assert_eq!(refusal(&fifo), "the file is a FIFO, not a regular file");
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(refusal(&socket), "the file is a socket, not a regular file");
    assert_eq!(refusal(Path::new("/dev/zero")), "the file is a device, not a regular file");
    let link = dir.path().join("link");
    symlink("/dev/zero", &link).unwrap();
    assert_eq!(refusal(&link), "the file is a device, not a regular file");
}

#[test]
fn opening_a_fifo_does_not_wait_for_a_writer() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRUSR).unwrap();
    assert!(open(&fifo).is_ok());
}

#[test]
fn a_file_that_others_may_change_is_refused_and_the_cure_named() {
    let (_dir, path) = with_file(b"content");
    for mode in [0o420, 0o402, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let expected =
            format!("the file may be changed by others than its owner (mode {mode:04o}): chmod go-w");
        assert_eq!(refusal(&path), expected);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(read(&path, FileKind::Config).unwrap().is_some());
}

#[test]
fn the_largest_file_is_read_and_a_larger_one_refused() {
    let (_dir, path) = with_file(&vec![0; MAX_FILE_BYTES]);
    assert_eq!(read(&path, FileKind::Config).unwrap().unwrap().bytes.len(), MAX_FILE_BYTES);
    let (_dir, path) = with_file(&vec![0; MAX_FILE_BYTES + 1]);
    assert_eq!(refusal(&path), "the file is larger than 512000 bytes, the most that a config may have");
}

#[test]
fn a_file_that_does_not_know_its_size_is_still_limited() {
    // A regular file with size 0 that has much more content.
    let symbols = Path::new("/proc/kallsyms");
    match read(symbols, FileKind::Config) {
        Err(FileError::TooLarge { kind: FileKind::Config }) => {}
        // The file does not exist here, or is too short.
        Ok(content) => assert!(content.is_none_or(|content| content.bytes.len() <= MAX_FILE_BYTES)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let (_dir, path) = with_file(b"content");
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    // The superuser may read everything.
    if File::open(&path).is_ok() {
        return;
    }
    assert_eq!(refusal(&path), "the file can't be opened");
}
