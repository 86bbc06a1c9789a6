//! Configs of services, and their files.

use capnp::struct_list;
use schema::admin_capnp::{ConfigFile, config_status};
use serde::Serialize;

use super::{elements, some_text, text};
use crate::output::{Hex, Moment, Paint, Table};

/// A config of a service, and the state of its file.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Config {
    pub(crate) service: Hex,
    pub(crate) name: String,
    pub(crate) from_file: bool,
    pub(crate) file: &'static str,
    pub(crate) file_since: Option<Moment>,
    pub(crate) taken: bool,
    pub(crate) waiting: bool,
    pub(crate) reloadable: bool,
    pub(crate) problem: Option<String>,
    pub(crate) reloads: u64,
    pub(crate) refusals: u64,
}

impl Config {
    pub(crate) fn all(list: struct_list::Reader<'_, config_status::Owned>) -> capnp::Result<Vec<Self>> {
        elements(list, Self::of)
    }

    fn of(status: config_status::Reader<'_>) -> capnp::Result<Self> {
        Ok(Self {
            service: Hex(status.get_service_id()),
            name: text(status.get_name())?,
            from_file: status.get_from_file(),
            file: match status.get_file() {
                Ok(ConfigFile::Good) => "good",
                Ok(ConfigFile::Refused) => "refused",
                Ok(ConfigFile::Gone) => "gone",
                Ok(ConfigFile::Unread) => "unread",
                Err(_) => "unknown",
            },
            file_since: Moment::known(status.get_file_since_millis()),
            taken: status.get_taken(),
            waiting: status.get_waiting(),
            reloadable: status.get_reloadable(),
            problem: some_text(status.get_problem())?,
            reloads: status.get_reloads(),
            refusals: status.get_refusals(),
        })
    }

    /// A table of these configs.
    pub(crate) fn table(configs: &[Self]) -> Table<4> {
        let mut table = Table::new(["SERVICE", "ID", "FROM", "OUTCOME"]);
        for config in configs {
            let from = match (config.from_file, config.file) {
                (false, _) => "defaults",
                (true, "gone") => "a file that is gone",
                (true, _) => "file",
            };
            table.row([
                (config.name.clone(), Paint::Plain),
                (config.service.to_string(), Paint::Plain),
                (from.to_owned(), Paint::Plain),
                config.outcome(),
            ]);
        }
        table
    }

    fn outcome(&self) -> (String, Paint) {
        let since = self.file_since.map_or_else(String::new, |since| format!(" since {since}"));
        match &self.problem {
            Some(problem) if self.file == "unread" => {
                (format!("could not be read{since}, will be tried again: {problem}"), Paint::Bad)
            }
            Some(problem) if self.file == "gone" => (format!("gone{since}: {problem}"), Paint::Bad),
            Some(problem) => (format!("refused{since}: {problem}"), Paint::Bad),
            None if self.taken => ("taken".to_owned(), Paint::Good),
            None if self.waiting => ("takes effect at the next start".to_owned(), Paint::Warning),
            None => ("unchanged".to_owned(), Paint::Plain),
        }
    }
}
