//! Contexts: where an app is, which app it must be, and which certificate to show. A file holds several contexts.
//!
//! The file is JSON; docs/APPCTL.md describes it. Paths in the file are relative to it, so you can move the folder as a whole.

mod addresses;
mod file;
mod groups;
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

/// What to do if there is no context.
pub(crate) const CURE: &str = "add one with: appctl context add NAME --address HOST:PORT --domain-id ID --app-id ID --ca FILE \
--cert FILE --key FILE; or name a file with --context FILE[#NAME] or OP_CONTEXT";

/// The contexts of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    #[serde(deserialize_with = "file::contexts")]
    pub(crate) contexts: BTreeMap<String, Context>,
    /// Lists of contexts and of other groups, by the name of the group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "file::groups")]
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    /// The context to use if the command line names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
}

/// One context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    pub(crate) address: Addresses,
    #[serde(serialize_with = "file::with_prefix")]
    pub(crate) domain: DomainId,
    #[serde(serialize_with = "file::with_prefix")]
    pub(crate) app: AppId,
    /// The service, if it is not the admin interface.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "file::with_prefix_if_any")]
    pub(crate) service: Option<ServiceId>,
    pub(crate) ca: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crl: Option<PathBuf>,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// The place of a context: its file, and its name in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) name: Option<String>,
}

impl Place {
    /// The place in `--context` or `OP_CONTEXT`: `FILE`, `FILE#NAME` or `#NAME`. Without either, the default file. A flag `#NAME`
    /// means the file in `OP_CONTEXT`.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        let asked = matches.get_one::<String>("context").map(String::as_str);
        let by_flag = matches.value_source("context") == Some(ValueSource::CommandLine);
        let set = std::env::var("OP_CONTEXT").ok().filter(|_| by_flag);
        // An empty variable counts as unset.
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

    /// The contexts of the file, and the name of the selected one.
    pub(crate) fn read(&self) -> Result<(Contexts, String), Failure> {
        let contexts = read(&self.file)?;
        let name = contexts.selected(self)?;
        Ok((contexts, name))
    }

    /// The selected context, with paths relative to the current folder.
    pub(crate) fn context(&self) -> Result<(String, Context), Failure> {
        let (mut contexts, name) = self.read()?;
        let Some(context) = contexts.contexts.remove(&name) else {
            return Err(contexts.unknown(self, &name));
        };
        Ok((name, self.based(context)))
    }

    /// The context with paths relative to the current folder.
    fn based(&self, context: Context) -> Context {
        context.based_at(self.file.parent().unwrap_or(Path::new("")))
    }
}

/// The file and the name of `FILE`, `FILE#NAME` or `#NAME`.
fn parts(asked: &str) -> Result<(Option<&str>, Option<&str>), Failure> {
    let refused = |why: &str| {
        let cure = "use FILE, FILE#NAME or #NAME";
        Err(Failure::new(Status::Usage, format!("context {asked:?}: {why}; {cure}")))
    };
    match asked.rsplit_once('#') {
        None if asked.is_empty() => refused("it is empty"),
        // A file may have a '#' in its own name.
        _ if Path::new(asked).is_file() => Ok((Some(asked), None)),
        None => Ok((Some(asked), None)),
        Some((_, "")) => refused("the name after '#' is empty"),
        Some((file, name)) => Ok((Some(file).filter(|file| !file.is_empty()), Some(name))),
    }
}

impl Contexts {
    /// The name of the selected context: the named one, else the current one, else the only one.
    fn selected(&self, place: &Place) -> Result<String, Failure> {
        if let Some(name) = place.name.as_ref().or(self.current.as_ref()) {
            return if self.contexts.contains_key(name) {
                Ok(name.clone())
            } else {
                Err(self.unknown(place, name))
            };
        }
        match self.contexts.keys().collect::<Vec<_>>().as_slice() {
            [] => {
                Err(Failure::unusable(format!("contexts {}: there are none; {CURE}", place.file.display())))
            }
            [only] => Ok((*only).clone()),
            _ => Err(Failure::unusable(format!(
                "contexts {}: there are several, and none is current: {}; choose one with: appctl context use NAME",
                place.file.display(),
                self.names()
            ))),
        }
    }

    /// The failure that there is no context of this name.
    pub(crate) fn unknown(&self, place: &Place, name: &str) -> Failure {
        if self.groups.contains_key(name) {
            let members = self.members(name).join(", ");
            return Failure::unusable(format!(
                "{}: {name:?} is a group, and this command asks one app; name one of its contexts: {members}",
                place.file.display()
            ));
        }
        let names = if self.contexts.is_empty() { "none".to_owned() } else { self.names() };
        Failure::unusable(format!("{} has no context {name:?}; it has: {names}", place.file.display()))
    }

    fn names(&self) -> String {
        self.contexts.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Context {
    /// Makes the relative paths relative to the current folder.
    fn based_at(mut self, folder: &Path) -> Self {
        // `join` keeps absolute paths.
        for path in [&mut self.ca, &mut self.cert, &mut self.key].into_iter().chain(&mut self.crl) {
            *path = folder.join(&path);
        }
        self
    }
}
