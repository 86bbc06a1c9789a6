//! Bytes: base64, or the content of a file. They are often secret, so no problem repeats them.

use std::error::Error;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::expected;
use crate::file::{self, FileKind};
use crate::json::tree::Tree;
use crate::problems::{Place, quoted};
use crate::secret::SecretBytes;

const BYTES: &str = "bytes (base64, or \"@\" and the name of a file)";

/// The bytes, or a problem.
pub(super) fn read(tree: &Tree, files: Option<&Path>, place: &mut Place<'_>) -> Option<SecretBytes> {
    let Tree::Text(text) = tree else {
        expected(BYTES, tree, place);
        return None;
    };
    if let Some(name) = text.strip_prefix('@') {
        return of_file(name, files, place);
    }
    if let Ok(bytes) = STANDARD.decode(text) {
        return Some(bytes.into());
    }
    place.add_of_json(if text.trim_start().starts_with("-----BEGIN") {
        "is PEM as text: put it into a file, and \"@\" and the name of the file here".to_owned()
    } else {
        format!("expected {BYTES}, found text that is neither")
    });
    None
}

fn of_file(name: &str, files: Option<&Path>, place: &mut Place<'_>) -> Option<SecretBytes> {
    let Some(folder) = files else {
        place.add("names a file, and files are not read here: give the bytes as base64");
        return None;
    };
    if name.is_empty() {
        place.add("has no file name after the \"@\"");
        return None;
    }
    let path = folder.join(name);
    let shown = path.to_string_lossy();
    match file::read(&path, FileKind::Config) {
        Ok(Some(content)) => return Some(content.bytes),
        Ok(None) => place.add_of_json(format_args!("there is no file {}", quoted(&shown))),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            place.add_of_json(format_args!("{error}{cause} ({})", quoted(&shown)));
        }
    }
    None
}
