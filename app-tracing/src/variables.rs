//! OpenTelemetry's variables of the environment. They count where the config is silent.
//!
//! A variable that is wrong is a warning that names it, and counts as unset. A variable without content counts as unset too. The
//! rules are those of OpenTelemetry's specification, "Environment Variable Specification" and "OTLP Exporter Configuration".

mod lists;
mod names;
mod sampler;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

use app_config::{SecretBytes, quoted};
use app_tls::{Authorities, KeyPair};

use self::names::Names;
use crate::endpoint::Endpoint;
use crate::header::Header;
use crate::sampling::SamplingRule;

/// The longest timeout, in milliseconds: ten minutes.
pub(crate) const MAX_TIMEOUT_MILLIS: u32 = 600_000;

/// The most bytes of a file with certificates or a key.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The variables of a process. An application that [provides](app_core::AppBuilder::provide) a value of this type replaces those of
/// its environment, as tests do.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, OsString>);

impl Variables {
    /// Those of this process whose names begin with `OTEL_`.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    /// These, as far as their names begin with `OTEL_`.
    #[must_use]
    pub fn of<N: Into<String>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(pairs.filter(|(name, _)| name.starts_with("OTEL_")).collect())
    }

    /// Reads all of them. The files that they name are read too.
    pub(crate) fn read(&self) -> FromVariables {
        let mut reading = Reading { variables: self, warnings: Vec::new() };
        let mut found = reading.all();
        found.warnings = reading.warnings;
        found.warnings.extend(Names::near_known(self.0.keys().map(String::as_str)));
        found
    }
}

/// Shows names alone: values may be secrets.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What the variables say.
#[derive(Debug, Default)]
pub(crate) struct FromVariables {
    /// Why nothing is exported at all, with the name of the variable.
    pub(crate) off: Option<&'static str>,
    /// Why nothing is exported to the endpoint of the variables.
    pub(crate) endpoint_off: Option<&'static str>,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) headers: Vec<Header>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) gzip: Option<bool>,
    pub(crate) authorities: Option<Authorities>,
    pub(crate) key_pair: Option<KeyPair>,
    pub(crate) sampling: Option<SamplingRule>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) warnings: Vec<String>,
}

struct Reading<'a> {
    variables: &'a Variables,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn warn(&mut self, name: &str, what: impl std::fmt::Display) {
        self.warnings.push(format!("{name}: {what}"));
    }

    /// The text of a variable, without spaces around it. `None` if it is not set, has no content, or is not UTF-8.
    fn text(&mut self, name: &str) -> Option<String> {
        let value = self.variables.0.get(name)?;
        let Some(text) = value.to_str() else {
            self.warn(name, "is not UTF-8, and counts as unset; set it to text");
            return None;
        };
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The first of these variables that is set to something that `read` understands. The name of traces comes before the one of
    /// all signals.
    fn first<T>(
        &mut self,
        names: [&'static str; 2],
        mut read: impl FnMut(&mut Self, &'static str, &str) -> Result<T, String>,
    ) -> Option<T> {
        for name in names {
            let Some(text) = self.text(name) else { continue };
            match read(self, name, &text) {
                Ok(value) => return Some(value),
                Err(wrong) => self.warn(name, wrong),
            }
        }
        None
    }

    fn all(&mut self) -> FromVariables {
        let off = self.off();
        let endpoint_off = self.protocol();
        FromVariables {
            off,
            endpoint_off,
            endpoint: self.endpoint(),
            headers: self.headers(),
            timeout: self.first(names::TIMEOUT, |_, _, text| timeout(text)),
            gzip: self.first(names::COMPRESSION, |_, _, text| compression(text)),
            authorities: self.first(names::CERTIFICATE, |_, _, path| {
                let pem = read_file(path)?;
                Authorities::from_pem(&pem, &[]).map_err(|error| format!("its file {error}"))
            }),
            key_pair: self.key_pair(),
            sampling: self.sampler(),
            attributes: self.attributes(),
            warnings: Vec::new(),
        }
    }

    fn off(&mut self) -> Option<&'static str> {
        if let Some(text) = self.text(names::DISABLED) {
            if text.eq_ignore_ascii_case("true") {
                return Some("OTEL_SDK_DISABLED is true");
            }
            if !text.eq_ignore_ascii_case("false") {
                let wrong = format!("must be true or false, found {}; it counts as false", quoted(&text));
                self.warn(names::DISABLED, wrong);
            }
        }
        let exporters = self.text(names::EXPORTER)?;
        let mut known = false;
        let mut none = false;
        for exporter in exporters.split(',').map(str::trim).filter(|exporter| !exporter.is_empty()) {
            match exporter.to_ascii_lowercase().as_str() {
                "otlp" => known = true,
                "none" => none = true,
                _ => {
                    let wrong =
                        format!("must be otlp or none, found {}; no such exporter is here", quoted(exporter));
                    self.warn(names::EXPORTER, wrong);
                }
            }
        }
        match (known, none) {
            (true, false) => None,
            (true, true) => {
                self.warn(names::EXPORTER, "names none beside another exporter; none counts");
                Some("OTEL_TRACES_EXPORTER is none")
            }
            (false, true) => Some("OTEL_TRACES_EXPORTER is none"),
            (false, false) => Some("OTEL_TRACES_EXPORTER names no exporter that is here"),
        }
    }

    /// Why the endpoint of the variables can't be used.
    fn protocol(&mut self) -> Option<&'static str> {
        let protocol = self.first(names::PROTOCOL, |_, _, text| {
            let known = ["http/protobuf", "grpc", "http/json"];
            let found = known.into_iter().find(|known| known.eq_ignore_ascii_case(text));
            found.ok_or_else(|| format!("must be http/protobuf, found {}; that is used", quoted(text)))
        })?;
        let (off, wrong) = match protocol {
            "grpc" => (
                "OTEL_EXPORTER_OTLP_PROTOCOL is grpc",
                "grpc is not supported, so nothing is exported; set http/protobuf, and the HTTP port of the collector (4318)",
            ),
            "http/json" => (
                "OTEL_EXPORTER_OTLP_PROTOCOL is http/json",
                "http/json is not supported, so nothing is exported; set http/protobuf",
            ),
            _ => return None,
        };
        let name = names::PROTOCOL.into_iter().find(|name| self.variables.0.contains_key(*name));
        self.warn(name.unwrap_or(names::PROTOCOL[1]), wrong);
        Some(off)
    }

    fn endpoint(&mut self) -> Option<Endpoint> {
        let [exact, base] = names::ENDPOINT;
        self.first(names::ENDPOINT, |_, name, text| {
            let endpoint = if name == exact { Endpoint::exact(text) } else { Endpoint::of_base(text) };
            debug_assert!(name == exact || name == base);
            endpoint.map_err(|wrong| format!("{wrong}; it counts as unset"))
        })
    }

    fn headers(&mut self) -> Vec<Header> {
        // No text of a wrong one is shown: it may be a secret.
        let read = |_: &mut Self, _: &'static str, text: &str| {
            let pairs = lists::pairs(text)?;
            let header = |(name, value): (String, String)| Header::checked(&name, value.into_bytes());
            let headers: Result<Vec<_>, String> = pairs.into_iter().map(header).collect();
            headers.map_err(|wrong| format!("{wrong}; no header of it is sent"))
        };
        self.first(names::HEADERS, read).unwrap_or_default()
    }

    fn attributes(&mut self) -> Vec<(String, String)> {
        let mut attributes = Vec::new();
        if let Some(text) = self.text(names::ATTRIBUTES) {
            match lists::pairs(&text) {
                Ok(pairs) => attributes = pairs,
                Err(wrong) => self.warn(names::ATTRIBUTES, format!("{wrong}; no attribute of it counts")),
            }
        }
        if let Some(name) = self.text(names::SERVICE_NAME) {
            attributes.retain(|(key, _)| key != "service.name");
            attributes.push(("service.name".to_owned(), name));
        }
        attributes
    }

    fn key_pair(&mut self) -> Option<KeyPair> {
        let file = |_: &mut Self, name: &'static str, path: &str| Ok((name, read_file(path)?));
        let certificate = self.first(names::CLIENT_CERTIFICATE, file);
        let key = self.first(names::CLIENT_KEY, file);
        match (certificate, key) {
            (Some((name, certificate)), Some((_, key))) => {
                let pair = KeyPair::from_pem(&key, &certificate);
                pair.map_err(|error| {
                    self.warn(name, format!("with its key: {error}; no certificate is shown"))
                })
                .ok()
            }
            (Some((name, _)), None) => {
                self.warn(name, "needs OTEL_EXPORTER_OTLP_CLIENT_KEY too; no certificate is shown");
                None
            }
            (None, Some((name, _))) => {
                self.warn(name, "needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE too; no certificate is shown");
                None
            }
            (None, None) => None,
        }
    }

    fn sampler(&mut self) -> Option<SamplingRule> {
        let sampler = self.text(names::SAMPLER)?;
        let arg = self.text(names::SAMPLER_ARG);
        match sampler::read(&sampler, arg.as_deref()) {
            Ok((rule, None)) => Some(rule),
            Ok((rule, Some(wrong))) => {
                self.warn(names::SAMPLER_ARG, wrong);
                Some(rule)
            }
            Err(wrong) => {
                self.warn(names::SAMPLER, wrong);
                None
            }
        }
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let millis = text.parse().ok().filter(|millis| (1..=MAX_TIMEOUT_MILLIS).contains(millis));
    millis.map(|millis| Duration::from_millis(millis.into())).ok_or_else(|| {
        format!("must be 1 to {MAX_TIMEOUT_MILLIS} milliseconds, found {}; it counts as unset", quoted(text))
    })
}

fn compression(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "gzip" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!("must be gzip or none, found {}; none is used", quoted(text))),
    }
}

/// The content of a file with certificates or a key.
fn read_file(path: &str) -> Result<SecretBytes, String> {
    let cannot = |why: &dyn std::fmt::Display| format!("its file {} {why}; it counts as unset", quoted(path));
    let file = File::open(path).map_err(|error| cannot(&format_args!("can't be opened: {error}")))?;
    let about = file.metadata().map_err(|error| cannot(&format_args!("can't be read: {error}")))?;
    if !about.is_file() {
        return Err(cannot(&"is no regular file"));
    }
    if about.len() > MAX_FILE_BYTES {
        return Err(cannot(&format_args!("has more than {MAX_FILE_BYTES} bytes")));
    }
    let mut content = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default() + 1);
    let read = file.take(MAX_FILE_BYTES).read_to_end(&mut content);
    let content = SecretBytes::from(content);
    read.map_err(|error| cannot(&format_args!("can't be read: {error}")))?;
    Ok(content)
}

#[cfg(test)]
mod tests;
