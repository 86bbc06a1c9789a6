//! What is in effect: the config, OpenTelemetry's variables where the config is silent, and what is known of the application.

use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_tls::{Authorities, KeyPair, collector_config};

use crate::config::TracingConfig;
use crate::encode::ResourceValue;
use crate::endpoint::Endpoint;
use crate::filter::Filter;
use crate::sampling::SamplingRule;
use crate::transport::HttpSettings;
use crate::variables::{FromVariables, Variables};

/// How long a request may take if nothing says so.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where spans go, and which.
pub(crate) struct Settings {
    /// Where requests go, or why nothing is exported.
    pub(crate) destination: Result<HttpSettings, String>,
    /// Whether it is an error that nothing is exported: somebody wanted it.
    pub(crate) is_wrong: bool,
    pub(crate) gzip: bool,
    pub(crate) timeout: Duration,
    pub(crate) rule: SamplingRule,
    pub(crate) resource: Vec<(String, ResourceValue)>,
    pub(crate) filter: Filter,
    pub(crate) queue_spans: usize,
    pub(crate) warnings: Vec<String>,
    /// What is used of the TLS material, to be watched for its end.
    pub(crate) material: Option<(Option<KeyPair>, Authorities)>,
}

impl Settings {
    pub(crate) fn new(app: &App, config: &TracingConfig, variables: &Variables) -> Self {
        let mut from = variables.read();
        let mut warnings = std::mem::take(&mut from.warnings);
        let mut is_wrong = false;
        let mut material = None;
        let destination = match destination(config, &mut from) {
            Ok((destination, used)) => {
                material = used;
                Ok(destination)
            }
            Err(NoDestination::Silent(why)) => Err(why),
            Err(NoDestination::Wrong(why)) => {
                is_wrong = true;
                warnings.push(format!("{why}; nothing is exported"));
                Err(why)
            }
        };
        let by_variables = from.sampling.unwrap_or_default();
        Self {
            destination,
            is_wrong,
            gzip: from.gzip.unwrap_or(false),
            timeout: config.timeout.or(from.timeout).unwrap_or(DEFAULT_TIMEOUT),
            rule: config.ratio.map_or(by_variables, |ratio| SamplingRule { ratio, by_parent: true }),
            resource: resource(app, &from.attributes, &config.attributes),
            filter: config.filter.clone(),
            queue_spans: config.queue_spans,
            warnings,
            material,
        }
    }
}

/// Why there is no destination.
enum NoDestination {
    /// Nobody wants one.
    Silent(String),
    /// What is said of it can't be used.
    Wrong(String),
}

type Destination = (HttpSettings, Option<(Option<KeyPair>, Authorities)>);

fn destination(config: &TracingConfig, from: &mut FromVariables) -> Result<Destination, NoDestination> {
    if let Some(off) = from.off {
        return Err(NoDestination::Silent(off.to_owned()));
    }
    let endpoint = match (&config.endpoint, from.endpoint.take()) {
        (Some(endpoint), _) => endpoint.clone(),
        (None, Some(_)) if from.endpoint_off.is_some() => {
            return Err(NoDestination::Silent(from.endpoint_off.unwrap_or_default().to_owned()));
        }
        (None, Some(endpoint)) => endpoint,
        (None, None) => return Err(NoDestination::Silent("no endpoint is named".to_owned())),
    };
    let headers =
        if config.headers.is_empty() { std::mem::take(&mut from.headers) } else { config.headers.clone() };
    let (tls, material) = if endpoint.tls { tls(&endpoint, config, from)? } else { (None, None) };
    Ok((HttpSettings { endpoint, headers, tls }, material))
}

type Tls = (Option<Arc<rustls::ClientConfig>>, Option<(Option<KeyPair>, Authorities)>);

fn tls(endpoint: &Endpoint, config: &TracingConfig, from: &mut FromVariables) -> Result<Tls, NoDestination> {
    let Some(authorities) = config.authorities.clone().or_else(|| from.authorities.take()) else {
        return Err(NoDestination::Wrong(format!(
            "{endpoint} needs caCert, or OTEL_EXPORTER_OTLP_CERTIFICATE: the authorities of the system are not trusted"
        )));
    };
    let pair = config.key_pair.clone().or_else(|| from.key_pair.take());
    let tls = collector_config(pair.as_ref(), &authorities);
    let tls =
        tls.map_err(|error| NoDestination::Wrong(format!("the TLS material of {endpoint}: {error}")))?;
    Ok((Some(tls), Some((pair, authorities))))
}

/// The attributes of the process. A later list replaces what an earlier one says.
fn resource(
    app: &App,
    by_variables: &[(String, String)],
    by_config: &[(String, String)],
) -> Vec<(String, ResourceValue)> {
    let origin = app.error_origin();
    let name = app.id().name().unwrap_or_else(|| app.package().name());
    let mut resource: Vec<(String, ResourceValue)> = Vec::new();
    let mut set = |key: &str, value: ResourceValue| {
        let empty = matches!(&value, ResourceValue::Text(text) if text.is_empty());
        resource.retain(|(other, _)| other != key);
        if !empty {
            resource.push((key.to_owned(), value));
        }
    };
    let text = |text: &str| ResourceValue::Text(text.to_owned());
    set("service.name", text(name));
    if !app.domain().is_zero() {
        let domain = app.domain();
        set(
            "service.namespace",
            ResourceValue::Text(domain.name().map_or_else(|| domain.hex(), str::to_owned)),
        );
    }
    set("service.version", text(app.package().version()));
    set("service.instance.id", ResourceValue::Text(app.instance().hex()));
    set("host.name", text(&origin.host));
    set("process.pid", ResourceValue::Int(origin.pid.into()));
    set("telemetry.sdk.name", text("app-tracing"));
    set("telemetry.sdk.language", text("rust"));
    set("telemetry.sdk.version", text(env!("CARGO_PKG_VERSION")));
    for (key, value) in by_variables.iter().chain(by_config) {
        set(key, text(value));
    }
    resource
}

#[cfg(test)]
mod tests;
