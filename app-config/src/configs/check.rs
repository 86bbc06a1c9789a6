//! Checks a whole config directory before anything starts, and reports every problem of every file.

use std::path::Path;
use std::{error, fmt};

use app_core::prelude::{Error, ServiceId};
use app_core::{ServiceDescriptor, plugins::linked_services};

use super::dir::ConfigDir;
use super::load::{ConfigContent, LoadError};
use crate::file::{Located, shown};
use crate::ids::label;
use crate::problems::{Problems, Remark};
use crate::schema::ConfigSchema;
use crate::sealing::OpenError;

/// What a check of a config directory found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Checked {
    /// Every problem of every file. Each is a `ConfigFailure` with a [`Located`] as its cause.
    pub problems: Vec<Error>,
    /// Services that have a config and no schema in this program: nothing here reads these files.
    pub unused: Vec<ServiceId>,
    /// Problems that do not refuse anything, such as identities that others may read.
    pub warnings: Vec<String>,
    /// What the configs mean, where that is not obvious. Nothing of sealed configs.
    pub notes: Vec<String>,
}

/// Why no schema judges a config.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckError {
    /// The service runs here, and this program has no schema for its config.
    NoSchema {
        /// The service.
        service: ServiceId,
    },
    /// Two types in this program claim to be the config of the service.
    TwoSchemas {
        /// Where the first one is registered.
        first: String,
        /// Where the second one is registered.
        second: String,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSchema { service } => write!(
                f,
                "service {} has no registered config schema, so nothing reads the file: register the type of its config (app_config::config!), or remove the file",
                service.describe()
            ),
            Self::TwoSchemas { first, second } => {
                write!(
                    f,
                    "two types claim to be this config, one at {first}, the other at {second}: remove one"
                )
            }
        }
    }
}

impl error::Error for CheckError {}

/// Checks every file of the directory whose name begins with `0x`, against the schemas that are linked.
#[must_use]
pub fn check_all(dir: &ConfigDir) -> Checked {
    let services: Vec<_> = linked_services().iter().map(ServiceDescriptor::id).collect();
    check_against(dir, &ConfigSchema::linked(), &services)
}

/// As [`check_all`], for these services. The schemas are sorted by service.
pub(crate) fn check_against(dir: &ConfigDir, schemas: &[ConfigSchema], services: &[ServiceId]) -> Checked {
    let mut checked = Checked { warnings: dir.warnings(), ..Checked::default() };
    for pair in schemas.windows(2) {
        if let [first, second] = pair
            && first.service() == second.service()
        {
            let error = CheckError::TwoSchemas { first: first.place(), second: second.place() };
            let service = first.service();
            checked.problems.push(Located::in_file(dir.file(service), error).of_service(service));
        }
    }
    let listing = dir.list();
    checked.problems.extend(listing.errors.into_iter().map(Located::of_directory));
    for service in listing.services {
        let schema = schemas.iter().find(|schema| schema.service() == service);
        if schema.is_none() && services.contains(&service) {
            let error = Located::in_file(dir.file(service), CheckError::NoSchema { service });
            checked.problems.push(error.of_service(service));
            continue;
        }
        check_one(dir, service, schema, &mut checked);
    }
    checked
}

fn check_one(dir: &ConfigDir, service: ServiceId, schema: Option<&ConfigSchema>, checked: &mut Checked) {
    let ConfigContent { message, sealed } = match dir.load_content(service) {
        Ok(Some(content)) => content,
        // Removed since it was listed.
        Ok(None) => return,
        // The refused file of identities is a problem of its own, which is reported once.
        Err(error) if matches!(error.error(), LoadError::Sealed(OpenError::IdentityRefused)) => return,
        Err(error) => return checked.problems.push(error.of_service(service)),
    };
    let Some(schema) = schema else { return checked.unused.push(service) };
    let file = dir.file(service);
    match schema.judge(message, dir.application(), Problems::of_source(sealed)) {
        Ok(remarks) => checked.add_remarks(service, &file, remarks),
        Err(problems) => {
            checked.problems.extend(problems.into_vec().into_iter().map(|problem| {
                Located::in_file(&file, LoadError::Problems(vec![problem])).of_service(service)
            }))
        }
    }
}

impl Checked {
    /// Adds the remarks on a config that is accepted.
    fn add_remarks(&mut self, service: ServiceId, file: &Path, remarks: Vec<Remark>) {
        for remark in remarks {
            let line = format!("{}: {} (file {})", label(service), remark.subject(), shown(file));
            if remark.is_warning() { self.warnings.push(line) } else { self.notes.push(line) }
        }
    }
}

#[cfg(test)]
mod tests;
