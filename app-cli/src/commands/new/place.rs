//! Writes new folders and changes files: all of it, or nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

use super::fill::Files;

/// Writes a new folder. Until it is complete, it has another name beside the final one.
pub(super) fn folder(folder: &Path, files: &Files) -> Result<(), Failure> {
    if !is_free(folder).map_err(|error| failed(folder, &error))? {
        let what = format!("{}: exists, and is not an empty folder", folder.display());
        return Err(Failure::failed(format!("{what}; choose another name, or remove it")));
    }
    let beside = beside(folder);
    let written = write_all(&beside, files).and_then(|()| {
        format_code(&beside, files);
        // It replaces an empty folder, and no other.
        fs::rename(&beside, folder)
    });
    written.map_err(|error| {
        // If the folder stays, its name says what it is.
        let _ = fs::remove_dir_all(&beside);
        failed(folder, &error)
    })
}

/// Whether a folder of this name can be made.
fn is_free(folder: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => Ok(fs::read_dir(folder)?.next().is_none()),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// A hidden name in the same folder, which nobody else has.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{:x}.new", app_ids::random_u64()))
}

fn write_all(folder: &Path, files: &Files) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Formats the code: how lines are broken depends on the length of the name. The code works without that, so a missing formatter
/// is no failure.
fn format_code(folder: &Path, files: &Files) {
    let code = files.keys().filter(|path| path.ends_with(".rs") && !path.contains("/generated/"));
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]).args(code.map(|path| folder.join(path)));
    let _ = rustfmt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// A file, and its text after the change.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) path: PathBuf,
    pub(super) before: String,
    pub(super) after: String,
}

/// Writes a new folder, and changes files. If one of them fails, none is changed.
pub(super) fn folder_and_changes(new: &Path, files: &Files, changes: &[Change]) -> Result<(), Failure> {
    folder(new, files)?;
    for (index, change) in changes.iter().enumerate() {
        if let Err(error) = replace(&change.path, &change.after) {
            for done in changes.iter().take(index) {
                // What can't be undone either is reported with the failure.
                let _ = replace(&done.path, &done.before);
            }
            let _ = fs::remove_dir_all(new);
            return Err(failed(&change.path, &error));
        }
    }
    Ok(())
}

/// Replaces a file in one step. It keeps its mode.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path);
    let replaced = fs::write(&beside, text)
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(path)?.permissions()))
        .and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&beside);
    }
    replaced
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let cure = match error.kind() {
        io::ErrorKind::PermissionDenied => "choose a folder that you may write to",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        io::ErrorKind::ReadOnlyFilesystem => "choose a folder on a disk that can be written",
        io::ErrorKind::NotFound => "change to a folder that exists",
        _ => "try again when the reason is gone",
    };
    Failure::failed(format!("{}: cannot be written: {error}; nothing was changed; {cure}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn files() -> Files {
        [("a.txt", "a"), ("b/c.rs", "fn  c( ) {}")]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_made_anew_or_in_an_empty_one() {
        let parent = tempfile::tempdir().unwrap();
        let (new, empty) = (parent.path().join("new"), parent.path().join("empty"));
        fs::create_dir(&empty).unwrap();
        for path in [&new, &empty] {
            folder(path, &files()).unwrap();
            assert_eq!(fs::read_to_string(path.join("a.txt")).unwrap(), "a");
        }
        assert_eq!(names(parent.path()), ["empty", "new"]);
    }

    #[test]
    fn what_exists_is_left_as_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let (file, full, link) =
            (parent.path().join("file"), parent.path().join("full"), parent.path().join("link"));
        fs::write(&file, "mine").unwrap();
        fs::create_dir(&full).unwrap();
        fs::write(full.join("mine"), "mine").unwrap();
        symlink("nowhere", &link).unwrap();
        for path in [&file, &full, &link] {
            let failure = folder(path, &files()).unwrap_err();
            assert!(
                failure.message.contains("exists, and is not an empty folder; choose another"),
                "{failure:?}"
            );
        }
        assert_eq!(names(parent.path()), ["file", "full", "link"]);
        assert_eq!(names(&full), ["mine"]);
    }

    #[test]
    fn a_folder_that_cannot_be_completed_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        // A file and a folder of one name.
        let both = [("a", "x"), ("a/b", "x")].map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let failure = folder(&parent.path().join("new"), &both).unwrap_err();
        assert!(failure.message.contains("cannot be written"), "{failure:?}");
        assert!(names(parent.path()).is_empty());
        let failure = folder(&parent.path().join("nowhere/new"), &files()).unwrap_err();
        assert!(failure.message.ends_with("change to a folder that exists"), "{failure:?}");
    }

    #[test]
    fn if_one_change_fails_none_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let (one, gone) = (parent.path().join("one"), parent.path().join("gone"));
        fs::write(&one, "before").unwrap();
        let change = |path: &Path| Change {
            path: path.to_owned(),
            before: "before".to_owned(),
            after: "after".to_owned(),
        };
        let new = parent.path().join("new");
        let changes = [change(&one), change(&gone)];
        let failure = folder_and_changes(&new, &files(), &changes).unwrap_err();
        assert!(failure.message.contains("gone: cannot be written"), "{failure:?}");
        assert_eq!(fs::read_to_string(&one).unwrap(), "before");
        assert_eq!(names(parent.path()), ["one"]);
        folder_and_changes(&new, &files(), &changes[..1]).unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), "after");
    }
}
