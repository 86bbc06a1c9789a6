//! Checking a whole config directory: everything that is wrong with any file, at once, before anything starts.

use std::path::Path;

use app_core::prelude::{Error, ServiceId};
use app_core::{ServiceDescriptor, linked_services};

use crate::dir::{ConfigDir, Content};
use crate::fault::{Fault, Reason, label, shown};
use crate::problems::{Problems, Remark};
use crate::schema::ConfigSchema;
use crate::sealed::OpenError;

/// What a check of a config directory found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Every problem of every file, each a `ConfigFailure` with a [`Fault`] as its cause.
    pub problems: Vec<Error>,
    /// Services that have a well-framed config and no schema in this program: nothing here reads these files.
    pub unused: Vec<ServiceId>,
    /// What is not refused, and should be looked at: that others may read the identities, or change the directory.
    pub warnings: Vec<String>,
    /// What the configs mean, where that is not plain to see. Nothing of sealed ones.
    pub notes: Vec<String>,
}

/// Checks every file of the directory whose name begins with `0x`, against the schemas that are linked.
#[must_use]
pub fn check_all(dir: &ConfigDir) -> Checked {
    let services: Vec<_> = linked_services().iter().map(ServiceDescriptor::id).collect();
    check_against(dir, &ConfigSchema::linked(), &services)
}

/// As [`check_all`], for these services; the schemas are sorted by service.
pub(crate) fn check_against(dir: &ConfigDir, schemas: &[ConfigSchema], services: &[ServiceId]) -> Checked {
    let mut checked = Checked { warnings: dir.warnings(), ..Checked::default() };
    for pair in schemas.windows(2) {
        if let [first, second] = pair
            && first.service() == second.service()
        {
            let reason = Reason::TwoSchemas { first: first.place(), second: second.place() };
            let service = first.service();
            checked.problems.push(Fault::new(dir.file(service), reason).of_service(service));
        }
    }
    let listing = dir.list();
    checked.problems.extend(listing.faults.into_iter().map(Fault::of_directory));
    for service in listing.services {
        let schema = schemas.iter().find(|schema| schema.service() == service);
        if schema.is_none() && services.contains(&service) {
            let fault = Fault::new(dir.file(service), Reason::NoSchema { service });
            checked.problems.push(fault.of_service(service));
            continue;
        }
        check_one(dir, service, schema, &mut checked);
    }
    checked
}

fn check_one(dir: &ConfigDir, service: ServiceId, schema: Option<&ConfigSchema>, checked: &mut Checked) {
    let Content { message, sealed } = match dir.load_content(service) {
        Ok(Some(content)) => content,
        // Gone since it was listed.
        Ok(None) => return,
        // Nothing can be told of it, and why is told already.
        Err(fault) if matches!(fault.reason(), Reason::Sealed(OpenError::IdentityRefused)) => return,
        Err(fault) => return checked.problems.push(fault.of_service(service)),
    };
    let Some(schema) = schema else { return checked.unused.push(service) };
    let file = dir.file(service);
    match schema.judge(message, dir.application(), Problems::of_source(sealed)) {
        Ok(remarks) => checked.tell(service, &file, remarks),
        Err(problems) => checked.problems.extend(
            problems
                .into_vec()
                .into_iter()
                .map(|problem| Fault::new(&file, Reason::Problem(problem)).of_service(service)),
        ),
    }
}

impl Checked {
    /// Adds what is told of a config that is accepted.
    fn tell(&mut self, service: ServiceId, file: &Path, remarks: Vec<Remark>) {
        for remark in remarks {
            let line = format!("{}: {} (file {})", label(service), remark.subject(), shown(file));
            if remark.is_warning() { self.warnings.push(line) } else { self.notes.push(line) }
        }
    }
}

#[cfg(test)]
mod tests;
