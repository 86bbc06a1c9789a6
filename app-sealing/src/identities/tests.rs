//! Files of identities: what is read, and the texts of refusals.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::*;

/// The name that the file has in a config directory.
const FILE: &str = "config.identity";

const SECRET: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const PUBLIC: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn with_file(content: impl AsRef<[u8]>, mode: u32) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

/// The error of the file at a path, without the path.
fn refusal_of(path: &Path) -> String {
    let error = match ConfigIdentities::load(path) {
        Ok(identities) => panic!("read {identities:?}"),
        Err(error) => error,
    };
    assert!(error.is(&app_core::prelude::errors::CONFIG_FAILURE));
    let (text, debug) = (error.to_string(), format!("{error:?}"));
    assert!(!debug.contains("GQ9778VQXMM") && !debug.contains("hunter2"), "{debug}");
    let text = text.strip_prefix("config identity: ").unwrap();
    text.strip_suffix(&format!(" (file {})", path.display())).unwrap().to_owned()
}

fn refusal(content: impl AsRef<[u8]>) -> String {
    let (_dir, path) = with_file(content, 0o400);
    refusal_of(&path)
}

#[test]
fn a_file_of_age_keygen_is_read() {
    let content = format!("# created: 2024-05-01T10:00:00Z\n# public key: {PUBLIC}\n{SECRET}\n");
    let (_dir, path) = with_file(content, 0o400);
    let identities = ConfigIdentities::load(&path).unwrap();
    assert_eq!((identities.len(), identities.file()), (1, path.as_path()));
    assert_eq!(identities.recipients()[0].to_string(), PUBLIC);
    assert!(identities.warnings().is_empty());
}

#[test]
fn several_identities_are_read_in_order_whatever_ends_the_lines() {
    let other = ConfigIdentity::generate();
    let other_text = other.secret_text();
    let content = format!("\r\n  {SECRET} \r\n\n# the new one\n{}", str::from_utf8(&other_text).unwrap());
    let (_dir, path) = with_file(content, 0o600);
    let identities = ConfigIdentities::load(&path).unwrap();
    assert_eq!(identities.recipients(), [PUBLIC.parse().unwrap(), other.recipient()]);
}

#[test]
fn debug_shows_public_keys_alone() {
    let (_dir, path) = with_file(SECRET, 0o400);
    let text = format!("{:?}", ConfigIdentities::load(&path).unwrap());
    assert!(text.contains(PUBLIC) && !text.contains("GQ9778VQXMM"), "{text}");
}

#[test]
fn a_file_without_an_identity_is_refused() {
    let expected = "there is no identity in the file: it needs a line that begins with AGE-SECRET-KEY-1, as age-keygen writes it";
    for content in ["", "\n\n", "# public key: age1..\n"] {
        assert_eq!(refusal(content), expected);
    }
    assert!(matches!(ConfigIdentities::of([]), Err(KeyFileError::Empty)));
}

#[test]
fn a_byte_order_mark_is_named() {
    let expected =
        "the file begins with a byte order mark, as some editors write it: save it as UTF-8 without one";
    assert_eq!(refusal(format!("\u{feff}{SECRET}\n")), expected);
}

#[test]
fn a_line_that_is_no_identity_is_named_by_its_number_and_not_shown() {
    assert_eq!(refusal(format!("{SECRET}\n\nhunter2\n")), "line 3 is no identity: it is no age key");
    assert_eq!(refusal(b"# \xff\n\xff\n"), "line 2 is no identity: it is no age key");
    assert_eq!(
        refusal(&SECRET[..50]),
        "line 1 is no identity: it begins as an age key and is cut short or mistyped: copy it again, as a whole"
    );
    assert!(
        refusal(format!("{SECRET} # the old one"))
            .starts_with("line 1 is no identity: it begins as an age key")
    );
    assert!(refusal(PUBLIC).starts_with("line 1 is no identity: it is a public key (a recipient)"));
}

#[test]
fn identities_of_other_kinds_are_refused_with_a_cure() {
    let cure = ": make an age key with age-keygen";
    assert_eq!(
        refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"),
        format!("line 1 is no identity: SSH keys are not supported{cure}")
    );
    for other in ["AGE-PLUGIN-YUBIKEY-1QQPQQQQZ", "AGE-SECRET-KEY-PQ-1QQPQQQQZ"] {
        assert_eq!(
            refusal(other),
            "line 1 is no identity: keys of age plugins and post-quantum keys are not supported: make an X25519 key \
             with age-keygen"
        );
    }
    for sealed in ["age-encryption.org/v1\n-> scrypt", "-----BEGIN AGE ENCRYPTED FILE-----\n"] {
        assert!(refusal(sealed).starts_with("the file is itself sealed, so it can't be opened"));
    }
}

#[test]
fn a_file_that_others_may_change_is_refused() {
    for mode in [0o420, 0o402] {
        let (_dir, path) = with_file(SECRET, mode);
        let expected =
            format!("the file may be changed by others than its owner (mode {mode:04o}): chmod go-w");
        assert_eq!(refusal_of(&path), expected);
    }
}

#[test]
fn a_file_that_others_may_read_is_warned_of() {
    for mode in [0o404, 0o444, 0o644] {
        let (_dir, path) = with_file(SECRET, mode);
        let expected = format!(
            "the identities in {} may be read by others than its owner (mode {mode:04o}): chmod go-r",
            path.display()
        );
        assert_eq!(ConfigIdentities::load(&path).unwrap().warnings(), [expected]);
    }
}

#[test]
fn a_file_of_ours_that_a_group_may_read_is_taken_without_a_word() {
    for mode in [0o440, 0o640, 0o400, 0o600] {
        let (_dir, path) = with_file(SECRET, mode);
        assert!(ConfigIdentities::load(&path).unwrap().warnings().is_empty(), "{mode:o}");
    }
    // A file of another user is not trusted. Only root can make one.
    let (_dir, path) = with_file(SECRET, 0o440);
    if std::os::unix::fs::chown(&path, Some(12_345), None).is_err() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    assert_eq!(ConfigIdentities::load(&path).unwrap().warnings().len(), 1);
}

#[test]
fn a_key_of_an_unsupported_type_is_skipped_with_a_warning_beside_one_that_works() {
    let content = format!("# keys\nAGE-SECRET-KEY-PQ-1HUNTER2QQ\n{SECRET}\nAGE-PLUGIN-YUBIKEY-1HUNTER2QQ\n");
    let (_dir, path) = with_file(content, 0o400);
    let identities = ConfigIdentities::load(&path).unwrap();
    assert_eq!(identities.len(), 1);
    let [first, second] = identities.warnings() else { panic!("{:?}", identities.warnings()) };
    assert!(first.contains("line 2 of ") && first.contains("a post-quantum key"), "{first}");
    assert!(second.contains("line 4 of ") && second.contains("a key of an age plugin"), "{second}");
    assert!(!format!("{first}{second}").contains("HUNTER2"), "{first} {second}");
    // Very many are counted, and a mistyped one is still refused.
    let (_dir, path) = with_file(format!("{SECRET}\n{}", "AGE-PLUGIN-X-1QQ\n".repeat(100)), 0o400);
    let identities = ConfigIdentities::load(&path).unwrap();
    assert!(
        identities.warnings().last().unwrap().starts_with("92 more lines"),
        "{:?}",
        identities.warnings()
    );
    assert!(
        refusal(format!("AGE-SECRET-KEY-PQ-1QQ\n{SECRET}\n{}", &SECRET[..40]))
            .starts_with("line 3 is no identity")
    );
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(refusal_of(dir.path()), "the file is a directory, not a regular file");
    let fifo = dir.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRUSR).unwrap();
    assert_eq!(refusal_of(&fifo), "the file is a FIFO, not a regular file");
    assert_eq!(refusal_of(Path::new("/dev/zero")), "the file is a device, not a regular file");
    let link = dir.path().join("link");
    symlink("nowhere", &link).unwrap();
    assert_eq!(refusal_of(&link), "the file is a symbolic link to a path that does not exist");
}

#[test]
fn a_file_over_the_limit_is_refused() {
    assert_eq!(
        refusal("#".repeat(64 * 1024 + 1)),
        "the file is larger than 65536 bytes, the most that a file of identities may have"
    );
    let (_dir, path) = with_file(format!("{SECRET}\n{}", "#".repeat(64 * 1024 - SECRET.len() - 1)), 0o400);
    assert_eq!(ConfigIdentities::load(&path).unwrap().len(), 1);
}

#[test]
fn a_file_that_is_named_has_to_be_there() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(refusal_of(&dir.path().join("identity")), "there is no such file");
}
