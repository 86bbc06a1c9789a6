//! Where the new workspace finds the crates of the platform.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Status};

/// Where the crates of the platform are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Platform {
    /// In a folder of this machine.
    Folder(String),
    /// In a git repository, at a commit, a tag or a branch.
    Git { url: String, at: Option<(&'static str, String)> },
}

/// A manifest that the platform has.
const KNOWN_BY: &str = "app-core/Cargo.toml";

/// What the user may write.
const EXAMPLES: &str = "--platform ../platform for a folder, or --platform https://git.example.com/platform.git#9c1f0e7 for a commit";

impl Platform {
    /// Reads the value of `--platform`.
    pub(super) fn parse(given: &str) -> Result<Self, Failure> {
        let usage = |reason: &str| Failure::new(Status::Usage, format!("--platform {given:?}: {reason}"));
        if given.chars().any(char::is_control) {
            return Err(usage(&format!("it has control characters; write {EXAMPLES}")));
        }
        if !given.contains("://") {
            if is_scp_like(given) {
                return Err(usage("cargo reads no such address; write ssh://USER@HOST/PATH"));
            }
            return Self::folder(Path::new(given)).map_err(|reason| usage(&reason));
        }
        let (url, at) = match given.split_once('#') {
            Some((url, at)) => (url, Some(reference(at).map_err(|reason| usage(&reason))?)),
            None => (given, None),
        };
        Ok(Self::Git { url: url.to_owned(), at })
    }

    /// The folder that this program was built from, if it is still there.
    pub(super) fn of_this_program() -> Result<Self, Failure> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(""));
        // Cargo may empty the folders of `cargo install --git` at any time.
        let kept = !built_from.to_string_lossy().contains("/git/checkouts/");
        let found = if kept { Self::folder(built_from).ok() } else { None };
        found.ok_or_else(|| {
            let missing =
                "--platform: required, since the folder that appctl was built from is not on this machine";
            Failure::new(Status::Usage, format!("{missing}; write {EXAMPLES}"))
        })
    }

    fn folder(path: &Path) -> Result<Self, String> {
        let whole = fs::canonicalize(path)
            .map_err(|error| format!("the folder cannot be read: {error}; write {EXAMPLES}"))?;
        if !whole.join(KNOWN_BY).is_file() {
            return Err(format!(
                "it is not the folder of the platform, which has {KNOWN_BY}; write {EXAMPLES}"
            ));
        }
        match whole.into_os_string().into_string() {
            Ok(path) if !path.chars().any(char::is_control) => Ok(Self::Folder(path)),
            Ok(path) => Err(format!("the path {path:?} has control characters; move the folder")),
            Err(path) => {
                Err(format!("the path {} is not UTF-8; move the folder", PathBuf::from(path).display()))
            }
        }
    }

    /// The dependency on a crate of the platform, for a manifest. `crate_folder` is below the folder of the platform.
    pub(super) fn dependency(&self, crate_folder: &str) -> String {
        match self {
            Self::Folder(path) => format!("{{ path = {} }}", quoted(&format!("{path}/{crate_folder}"))),
            // Cargo finds the crate by its name.
            Self::Git { url, at: None } => format!("{{ git = {} }}", quoted(url)),
            Self::Git { url, at: Some((key, name)) } => {
                format!("{{ git = {}, {key} = {} }}", quoted(url), quoted(name))
            }
        }
    }

    /// The folder of the platform, if it is one of this machine.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Git { .. } => None,
        }
    }

    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Folder(path) => path.clone(),
            Self::Git { url, at: None } => format!("{url}, the newest commit"),
            Self::Git { url, at: Some((key, name)) } => format!("{url}, {key} {name}"),
        }
    }
}

/// Such as `git@host:path`.
fn is_scp_like(given: &str) -> bool {
    let before_colon = given.split_once(':').map(|(before, _)| before);
    before_colon.is_some_and(|before| before.contains('@') && !before.contains('/'))
}

/// What comes after `#`: a commit, or a tag or a branch by name.
fn reference(at: &str) -> Result<(&'static str, String), String> {
    let (key, name) = match at.split_once('=') {
        Some(("tag", name)) => ("tag", name),
        Some(("branch", name)) => ("branch", name),
        _ => ("rev", at),
    };
    let is_commit = (7..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_hexdigit());
    if name.is_empty() || (key == "rev" && !is_commit) {
        let found = format!("after # there is {at:?}, which is no commit");
        return Err(format!("{found}; write #9c1f0e7, #tag=NAME or #branch=NAME"));
    }
    Ok((key, name.to_owned()))
}

/// A text for a manifest. There are no control characters in it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(url: &str, at: Option<(&'static str, &str)>) -> Platform {
        Platform::Git { url: url.to_owned(), at: at.map(|(key, name)| (key, name.to_owned())) }
    }

    #[test]
    fn a_repository_is_named_with_a_commit_a_tag_or_a_branch() {
        let url = "https://git.example.com/platform.git";
        let parse = |end: &str| Platform::parse(&format!("{url}{end}")).unwrap();
        assert_eq!(parse(""), git(url, None));
        assert_eq!(parse("#9c1f0e7"), git(url, Some(("rev", "9c1f0e7"))));
        assert_eq!(parse("#tag=v0.1.0"), git(url, Some(("tag", "v0.1.0"))));
        assert_eq!(parse("#branch=main"), git(url, Some(("branch", "main"))));
        let dependency = parse("#9c1f0e7").dependency("app-tls/native-certs");
        assert_eq!(dependency, format!("{{ git = \"{url}\", rev = \"9c1f0e7\" }}"));
        assert_eq!(parse("").dependency("app-core"), format!("{{ git = \"{url}\" }}"));
    }

    #[test]
    fn a_folder_is_named_from_anywhere_and_is_the_platform() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = fs::canonicalize(here.join("..")).unwrap();
        let root = root.to_str().unwrap();
        let platform = Platform::parse(here.join("..").to_str().unwrap()).unwrap();
        assert_eq!(platform.path(), Some(root));
        assert_eq!(platform.dependency("app-core"), format!("{{ path = \"{root}/app-core\" }}"));
        assert_eq!(Platform::of_this_program().unwrap(), platform);
    }

    #[test]
    fn a_bad_platform_is_refused_with_a_cure() {
        let nowhere = tempfile::tempdir().unwrap();
        let empty = nowhere.path().to_str().unwrap();
        for (bad, said) in [
            ("/nowhere/at/all", "cannot be read"),
            (empty, "which has app-core/Cargo.toml"),
            ("git@example.com:platform.git", "write ssh://"),
            ("https://example.com/p#main", "write #9c1f0e7, #tag=NAME or #branch=NAME"),
            ("https://example.com/p#tag=", "write #9c1f0e7"),
            ("a\nb", "control characters"),
        ] {
            let failure = Platform::parse(bad).unwrap_err();
            assert_eq!(failure.status, Status::Usage);
            assert!(
                failure.message.starts_with("--platform \"") && failure.message.contains(said),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn a_path_is_quoted_for_a_manifest() {
        assert_eq!(quoted("a \"b\" \\c"), r#""a \"b\" \\c""#);
    }
}
