//! Adds a service to a workspace that `appctl new` made: a crate, and a line in each list.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

use super::fill::Filling;
use super::names::NewName;
use super::place::{self, Change};
use super::templates;

/// The table by which a workspace is known.
const KNOWN_BY: &str = "[workspace.metadata.appctl]";

/// Files of the workspace that have a list.
const MANIFEST: &str = "Cargo.toml";
const OF_APP: &str = "app/Cargo.toml";
const LINKS: &str = "app/src/main.rs";

/// Makes the crate of a service, and links it. Returns the folder of the crate.
pub(super) fn add_service(current: &Path, name: &NewName) -> Result<PathBuf, Failure> {
    let root = find(current)?;
    let folder = root.join(name.service_crate());
    let changes = [
        change(&root, MANIFEST, |text| in_manifest(text, name))?,
        change(&root, OF_APP, |text| in_app(text, name))?,
        change(&root, LINKS, |text| in_links(text, name))?,
    ];
    let files = Filling::new(name, None).files(templates::SERVICE, "");
    place::folder_and_changes(&folder, &files, &changes)?;
    Ok(folder)
}

/// The folder of the workspace that holds `current`.
fn find(current: &Path) -> Result<PathBuf, Failure> {
    let is_known = |folder: &&Path| {
        fs::read_to_string(folder.join(MANIFEST))
            .is_ok_and(|text| text.lines().any(|line| line.trim() == KNOWN_BY))
    };
    let none = || {
        let what = format!("{}: not in a workspace that `appctl new NAME` made", current.display());
        Failure::failed(format!(
            "{what} (its {MANIFEST} has {KNOWN_BY}); change to one, or make one; --minimal makes none"
        ))
    };
    current.ancestors().find(is_known).map(Path::to_owned).ok_or_else(none)
}

/// What becomes of a file. `edit` returns what is wrong with the text.
fn change(
    root: &Path,
    file: &str,
    edit: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Change, Failure> {
    let path = root.join(file);
    let failed = |reason: String| Failure::failed(format!("{}: {reason}", path.display()));
    let before = fs::read_to_string(&path).map_err(|error| {
        failed(format!("cannot be read: {error}; a workspace of `appctl new` has this file"))
    })?;
    let after = edit(&before).map_err(failed)?;
    Ok(Change { path, before, after })
}

fn in_manifest(text: &str, name: &NewName) -> Result<String, String> {
    let crate_name = name.service_crate();
    let member = format!("    \"{crate_name}\",");
    let list = |line: &str| line == "members = [";
    let text = add(text, &member, "members", |line| line.starts_with("    \"svc-"), list)?;
    let dependency = format!("{crate_name}.path = \"{crate_name}\"");
    let sibling = |line: &str| line.starts_with("svc-");
    add(&text, &dependency, "dependencies", sibling, |line| line == "[workspace.dependencies]")
}

fn in_app(text: &str, name: &NewName) -> Result<String, String> {
    let dependency = format!("{}.workspace = true", name.service_crate());
    let sibling = |line: &str| line.starts_with("svc-");
    add(text, &dependency, "dependencies", sibling, |line| line == "[dependencies]")
}

fn in_links(text: &str, name: &NewName) -> Result<String, String> {
    let link = format!("use svc_{} as _;", name.snake());
    let sibling = |line: &str| line.starts_with("use svc_") && line.ends_with(" as _;");
    add(text, &link, "linked crates", sibling, |line| line.starts_with("use {app_config as _"))
}

/// Adds a line to those like it, which are sorted. Without any, it comes below the head of the list.
fn add(
    text: &str,
    new: &str,
    list: &str,
    is_like: impl Fn(&str) -> bool,
    is_head: impl Fn(&str) -> bool,
) -> Result<String, String> {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.contains(&new) {
        return Err(format!("has the line {:?} already; choose another name", new.trim()));
    }
    let later = lines.iter().position(|line| is_like(line) && *line > new);
    let after_last = || lines.iter().rposition(|line| is_like(line) || is_head(line)).map(|last| last + 1);
    let Some(place) = later.or_else(after_last) else {
        return Err(format!(
            "the list of {list} is not where `appctl new` puts it; add the line {:?}, and try again",
            new.trim()
        ));
    };
    lines.insert(place, new);
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> NewName {
        NewName::parse(name, &[]).unwrap()
    }

    #[test]
    fn each_list_gets_a_line_in_order() {
        let manifest = "[workspace]\nmembers = [\n    \"app\",\n    \"svc-shop\",\n]\n[workspace.dependencies]\ntokio = \"1\"\n\nsvc-shop.path = \"svc-shop\"\n\n[x]\n";
        let changed = in_manifest(manifest, &name("mail")).unwrap();
        assert!(changed.contains("    \"app\",\n    \"svc-mail\",\n    \"svc-shop\",\n]"), "{changed}");
        assert!(
            changed.contains("\n\nsvc-mail.path = \"svc-mail\"\nsvc-shop.path = \"svc-shop\"\n\n[x]\n"),
            "{changed}"
        );
        let changed = in_manifest(&changed, &name("zoo")).unwrap();
        assert!(changed.contains("    \"svc-shop\",\n    \"svc-zoo\",\n]"), "{changed}");
        assert!(changed.contains("svc-shop.path = \"svc-shop\"\nsvc-zoo.path"), "{changed}");
        let links = "use {app_config as _, app_rpc as _};\n\nuse svc_shop as _;\n\nfn main() {}\n";
        let changed = in_links(links, &name("rate-limits")).unwrap();
        assert!(changed.contains("\nuse svc_rate_limits as _;\nuse svc_shop as _;\n"), "{changed}");
    }

    #[test]
    fn a_list_without_a_service_gets_its_first() {
        let changed =
            in_app("[package]\n\n[dependencies]\napp-core.workspace = true\n", &name("mail")).unwrap();
        assert!(changed.contains("[dependencies]\nsvc-mail.workspace = true\n"), "{changed}");
    }

    #[test]
    fn a_line_that_is_there_and_a_list_that_is_not_are_refused() {
        let app = "[dependencies]\nsvc-mail.workspace = true\n";
        let taken = in_app(app, &name("mail")).unwrap_err();
        assert!(taken.contains("already; choose another name"), "{taken}");
        let moved = in_manifest("members = [\"app\"]\n", &name("mail")).unwrap_err();
        assert!(moved.contains("add the line \"\\\"svc-mail\\\",\""), "{moved}");
    }
}
