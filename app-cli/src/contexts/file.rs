//! The file of contexts: where it is, what it may be, how it is read and replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, fmt};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserializer, Serializer};

use super::{CURE, Context, Contexts};
use crate::failure::Failure;

/// The most bytes of the file.
const MOST_BYTES: u64 = 1024 * 1024;
/// Others than the owner and the group may write: they could send whoever uses the file anywhere.
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// `$XDG_CONFIG_HOME/appctl/contexts.json`, or `~/.config/appctl/contexts.json`.
pub(crate) fn default_path() -> Result<PathBuf, Failure> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let config = config.ok_or_else(|| {
        let why = "no context: neither HOME nor XDG_CONFIG_HOME is set";
        Failure::unusable(format!("{why}; name a file with --context FILE[#NAME] or OP_CONTEXT"))
    })?;
    Ok(config.join("appctl").join("contexts.json"))
}

/// The contexts of a file.
pub(crate) fn read(path: &Path) -> Result<Contexts, Failure> {
    let shown = path.display();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::unusable(format!("no context: there is no file {shown}; {CURE}")),
        io::ErrorKind::InvalidData => Failure::unusable(format!("contexts {shown}: not UTF-8, so not JSON")),
        _ => Failure::unusable(format!("contexts {shown} can't be read: {error}")),
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::unusable(format!("contexts {shown} is no file")));
    }
    if metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        let why = "may be changed by anybody, who could have you call anybody";
        return Err(Failure::unusable(format!("contexts {shown} {why}: chmod o-w {shown}")));
    }
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Failure::unusable(format!("contexts {shown} has more than {MOST_BYTES} bytes")));
    }
    serde_json::from_str(&text).map_err(|error| Failure::unusable(format!("contexts {shown}: {error}")))
}

/// Replaces the file at once, also where a link leads to it; whoever reads sees the old one or the new one.
pub(crate) fn write(path: &Path, contexts: &Contexts) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::failed(format!("contexts {} not written: {error}", path.display()));
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mode = fs::metadata(&target).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
    let mut beside = target.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut text = serde_json::to_string_pretty(contexts).map_err(|error| failed(error.into()))?;
    text.push('\n');
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
    let written = written.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &target)
    });
    written.map_err(|error| {
        // What could not be put in its place is of no use; that it stays is no second failure.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

/// Reads a map, and refuses a name that it has twice.
pub(super) fn no_name_twice<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Context>, D::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = BTreeMap<String, Context>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("contexts by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut contexts = BTreeMap::new();
            while let Some((name, context)) = map.next_entry::<String, Context>()? {
                if name.is_empty() || name.contains('#') {
                    return Err(A::Error::custom(format!("{name:?} can't be the name of a context")));
                }
                if contexts.contains_key(&name) {
                    return Err(A::Error::custom(format!("context {name:?} is there twice")));
                }
                contexts.insert(name, context);
            }
            Ok(contexts)
        }
    }

    deserializer.deserialize_map(Names)
}

/// An id with `0x`, as flags take it.
pub(super) fn with_prefix<S: Serializer>(id: &impl fmt::LowerHex, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{id:#x}"))
}

/// The same of an id that may not be there.
#[expect(clippy::ref_option, reason = "this is how serde calls it")]
pub(super) fn with_prefix_if_any<S: Serializer>(
    id: &Option<impl fmt::LowerHex>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => with_prefix(id, serializer),
        None => serializer.serialize_none(),
    }
}
