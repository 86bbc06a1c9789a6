//! Contexts: which app a command is for, and who asks. A file has several, by name.
//!
//! The file is JSON; docs/APPCTL.md describes it. Paths in it are relative to it, so that it can be moved along with what it names.

mod addresses;
mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use app_core::clap::ArgMatches;
use app_core::clap::parser::ValueSource;
use app_ids::{AppId, DomainId, ServiceId};
use serde::{Deserialize, Serialize};

pub(crate) use self::addresses::{Address, Addresses};
pub(crate) use self::file::{default_path, read, write};
use crate::failure::{Failure, Status};

/// How a context is made, where there is none.
pub(crate) const CURE: &str = "make one with: appctl context add NAME --address HOST:PORT --domain-id ID --app-id ID --ca FILE \
--cert FILE --key FILE; or name a file with --context FILE[#NAME] or OP_CONTEXT";

/// The contexts of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    #[serde(deserialize_with = "file::no_name_twice")]
    pub(crate) contexts: BTreeMap<String, Context>,
    /// The one that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
}

/// One app, and who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub(crate) address: Addresses,
    #[serde(serialize_with = "file::with_prefix")]
    pub(crate) domain: DomainId,
    #[serde(serialize_with = "file::with_prefix")]
    pub(crate) app: AppId,
    /// The service that is asked, if not that of the admin interface.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "file::with_prefix_if_any")]
    pub(crate) service: Option<ServiceId>,
    pub(crate) ca: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crl: Option<PathBuf>,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// A context: its file and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) name: Option<String>,
}

impl Place {
    /// The place that `--context` and `OP_CONTEXT` say: `FILE`, `FILE#NAME` or `#NAME`; without either, the default file.
    /// A flag `#NAME` means the file that `OP_CONTEXT` sets.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        let asked = matches.get_one::<String>("context").map(String::as_str);
        let by_flag = matches.value_source("context") == Some(ValueSource::CommandLine);
        let set = std::env::var("OP_CONTEXT").ok().filter(|_| by_flag);
        // An empty variable is as good as none.
        let set = set.as_deref().filter(|set| !set.is_empty());
        Self::resolve(asked.filter(|asked| by_flag || !asked.is_empty()), set)
    }

    fn resolve(asked: Option<&str>, set: Option<&str>) -> Result<Self, Failure> {
        let (file, name) = asked.map_or(Ok((None, None)), parts)?;
        let file = match (file, set) {
            (None, Some(set)) => parts(set)?.0,
            (file, _) => file,
        };
        let file = file.map_or_else(default_path, |file| Ok(PathBuf::from(file)))?;
        Ok(Self { file, name: name.map(str::to_owned) })
    }

    /// The contexts of the file, and the name of the one that is meant.
    pub(crate) fn read(&self) -> Result<(Contexts, String), Failure> {
        let contexts = read(&self.file)?;
        let name = contexts.meant(self)?;
        Ok((contexts, name))
    }

    /// The context that is meant, with paths that can be opened from here.
    pub(crate) fn context(&self) -> Result<(String, Context), Failure> {
        let (mut contexts, name) = self.read()?;
        let Some(context) = contexts.contexts.remove(&name) else {
            return Err(contexts.unknown(self, &name));
        };
        Ok((name, context.based_at(self.file.parent().unwrap_or(Path::new("")))))
    }
}

/// The file and the name of `FILE`, `FILE#NAME` or `#NAME`.
fn parts(asked: &str) -> Result<(Option<&str>, Option<&str>), Failure> {
    let refused = |why: &str| {
        let cure = "give FILE, FILE#NAME or #NAME";
        Err(Failure::new(Status::Usage, format!("context {asked:?}: {why}; {cure}")))
    };
    match asked.rsplit_once('#') {
        None if asked.is_empty() => refused("it is empty"),
        // Also a file whose own name has a '#'.
        _ if Path::new(asked).is_file() => Ok((Some(asked), None)),
        None => Ok((Some(asked), None)),
        Some((_, "")) => refused("the name after '#' is empty"),
        Some((file, name)) => Ok((Some(file).filter(|file| !file.is_empty()), Some(name))),
    }
}

impl Contexts {
    /// The name of the context that is meant: the one asked for, or the current one, or the only one.
    fn meant(&self, place: &Place) -> Result<String, Failure> {
        if let Some(name) = place.name.as_ref().or(self.current.as_ref()) {
            return if self.contexts.contains_key(name) {
                Ok(name.clone())
            } else {
                Err(self.unknown(place, name))
            };
        }
        match self.contexts.keys().collect::<Vec<_>>().as_slice() {
            [] => Err(Failure::unusable(format!("{} has no context; {CURE}", place.file.display()))),
            [only] => Ok((*only).clone()),
            _ => Err(Failure::unusable(format!(
                "{} has several contexts and none is current: {}; choose one with: appctl context use NAME",
                place.file.display(),
                self.names()
            ))),
        }
    }

    /// There is no context of this name.
    pub(crate) fn unknown(&self, place: &Place, name: &str) -> Failure {
        let names = if self.contexts.is_empty() { "none".to_owned() } else { self.names() };
        Failure::unusable(format!("{} has no context {name:?}; it has: {names}", place.file.display()))
    }

    fn names(&self) -> String {
        self.contexts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Context {
    /// With its relative paths made relative to where we are.
    fn based_at(mut self, folder: &Path) -> Self {
        // Joining leaves absolute paths as they are.
        for path in [&mut self.ca, &mut self.cert, &mut self.key].into_iter().chain(&mut self.crl) {
            *path = folder.join(&path);
        }
        self
    }
}
