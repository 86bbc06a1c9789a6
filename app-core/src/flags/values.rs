//! Values of flags: parsed once, at the door.

use std::str::FromStr;

use app_ids::ServiceId;

use crate::{LogLevel, spec::ServiceSpec};

/// A service by id or name, and the log level that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceLevel {
    /// The id (decimal, or hex with 0x) or the name of the service.
    pub service: String,
    /// Its log level.
    pub level: LogLevel,
}

impl FromStr for ServiceLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((service, level)) =
            text.split_once('=').map(|(service, level)| (service.trim(), level.trim()))
        else {
            return Err("expected SERVICE=LEVEL, such as quota=DEBUG".to_owned());
        };
        if service.is_empty() {
            return Err("the service is missing before '='".to_owned());
        }
        let looks_like_id = service.starts_with(|c: char| c.is_ascii_digit());
        if looks_like_id && let Err(error) = service.parse::<ServiceId>() {
            return Err(error.to_string());
        }
        let level = level.parse::<LogLevel>().map_err(|error| error.to_string())?;
        Ok(Self { service: service.to_owned(), level })
    }
}

impl ServiceLevel {
    /// The id of the service, looked up by name if it was given so.
    ///
    /// # Errors
    /// When no service has that name, or several have.
    pub(crate) fn resolve(&self, services: &[ServiceSpec]) -> Result<ServiceId, String> {
        if let Ok(id) = self.service.parse() {
            return Ok(id);
        }
        let mut named = services.iter().filter(|service| service.name() == self.service).map(ServiceSpec::id);
        match (named.next(), named.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => Err(format!("several services are named {:?}: use the id", self.service)),
            (None, _) => {
                let names: Vec<_> = services.iter().map(ServiceSpec::name).collect();
                Err(format!("no service is named {:?}; there are: {}", self.service, names.join(", ")))
            }
        }
    }
}
