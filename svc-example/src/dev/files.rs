//! The folder that it all lies in, under the target directory; gone when the service has ended.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{env, process};

use app_core::prelude::ServiceId;

use super::Problem;

/// What says of a directory that cargo made it.
const CARGO_TAG: &str = "CACHEDIR.TAG";

/// A new folder for its owner alone, gone when this is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, Problem> {
        let parent = target()?.join("dev");
        let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let make = |path: &Path, recursive| DirBuilder::new().recursive(recursive).mode(0o700).create(path);
        make(&parent, true).map_err(|error| failed(&parent, error))?;
        forget_the_dead(&parent);
        let path = parent.join(format!("{}-{:x}", process::id(), ServiceId::random()));
        make(&path, false).map_err(|error| failed(&path, error))?;
        let folder = Self(path.canonicalize().map_err(|error| failed(&path, error))?);
        make(&folder.configs(), false).map_err(|error| failed(&folder.configs(), error))?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The configs, as the service reads them.
    pub(super) fn configs(&self) -> PathBuf {
        self.0.join("configs")
    }

    /// The authority, and the certificates that it issued.
    pub(super) fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// appctl's file of contexts.
    pub(super) fn contexts(&self) -> PathBuf {
        self.0.join("contexts.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over by this is removed by the next one.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The target directory: as the environment says, where this program lies, or beside the package.
fn target() -> Result<PathBuf, Problem> {
    if let Some(named) = env::var_os("CARGO_TARGET_DIR").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let program = env::current_exe().unwrap_or_default();
    if let Some(found) = program.ancestors().skip(1).find(|folder| folder.join(CARGO_TAG).is_file()) {
        return Ok(found.to_owned());
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(|workspace| workspace.join("target"));
    let there = beside.filter(|target| target.parent().is_some_and(Path::is_dir));
    there.ok_or_else(|| "there is no target directory: say where with CARGO_TARGET_DIR".to_owned())
}

/// Removes what processes left behind that were killed.
fn forget_the_dead(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('-').next()?.parse::<u32>().ok());
        // One that can't be removed stays.
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    // What was removed is gone also after a crash; if not, the next one removes it.
    let _ = File::open(parent).and_then(|parent| parent.sync_all());
}
