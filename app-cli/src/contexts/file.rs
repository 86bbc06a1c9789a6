//! The file of contexts: its path, its checks, reading it and replacing it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, fmt};

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

use super::{CURE, Context, Contexts};
use crate::failure::Failure;

/// Largest file in bytes.
const MOST_BYTES: u64 = 1024 * 1024;
/// Mode bit of files that all users may change. Such a user could redirect your commands to another app.
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
        _ => Failure::unusable(format!("contexts {shown} cannot be read: {error}")),
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::unusable(format!("contexts {shown} is not a regular file")));
    }
    if metadata.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        let why = "can be changed by all users, who could redirect your commands";
        return Err(Failure::unusable(format!("contexts {shown} {why}; run chmod o-w {shown}")));
    }
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Failure::unusable(format!("contexts {shown} has more than {MOST_BYTES} bytes")));
    }
    let contexts: Contexts = serde_json::from_str(&text)
        .map_err(|error| Failure::unusable(format!("contexts {shown}: {error}")))?;
    contexts.check_groups(path)?;
    Ok(contexts)
}

/// Replaces the file in one step, and follows a link to it. A reader sees the old content or the new content.
pub(crate) fn write(path: &Path, contexts: &Contexts) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::failed(format!("contexts {} cannot be written: {error}", path.display()));
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
        // Removes the unused new file. If this fails, too, only the first failure is reported.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

/// Reads contexts by name.
pub(super) fn contexts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Context>, D::Error> {
    deserializer.deserialize_map(Names { what: "context", of: PhantomData })
}

/// Reads groups by name.
pub(super) fn groups<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    deserializer.deserialize_map(Names { what: "group", of: PhantomData })
}

/// Reads a map, and refuses a duplicate name.
struct Names<T> {
    what: &'static str,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Names<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s by name", self.what)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut named, what) = (BTreeMap::new(), self.what);
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if name.is_empty() || name.contains('#') {
                return Err(A::Error::custom(format!("{name:?} cannot be the name of a {what}")));
            }
            if named.contains_key(&name) {
                return Err(A::Error::custom(format!("{what} {name:?} is there twice")));
            }
            named.insert(name, value);
        }
        Ok(named)
    }
}

/// Writes an id with `0x`, the form that flags take.
pub(super) fn with_prefix<S: Serializer>(id: &impl fmt::LowerHex, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{id:#x}"))
}

/// Writes an optional id as [`with_prefix`] does.
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
