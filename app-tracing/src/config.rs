//! The config of the tracing service: what `schema/capnp/tracing.capnp` says, read strictly.

use std::collections::BTreeSet;
use std::time::Duration;

use app_config::{Config, Expected, Place, Problems, quoted};
use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use app_tls::{Authorities, KeyPair, Purpose};
use schema::tracing_capnp::{header, tracing_spec};

use crate::endpoint::Endpoint;
use crate::filter::Filter;
use crate::header::Header;
use crate::ids::TRACING_SERVICE_ID;
use crate::variables::MAX_TIMEOUT_MILLIS;

/// The default of `queueSpans`.
const DEFAULT_QUEUE_SPANS: usize = 8192;

/// The default of `timeoutMillis`.
const DEFAULT_TIMEOUT_MILLIS: u32 = 10_000;

const MAX_HEADERS: u32 = 32;
const MAX_ATTRIBUTES: u32 = 64;
const MAX_ATTRIBUTE_BYTES: usize = 4096;

/// The checked config of the tracing service. `None` stands for a field that is silent.
#[derive(Debug)]
pub(crate) struct TracingConfig {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) headers: Vec<Header>,
    pub(crate) authorities: Option<Authorities>,
    pub(crate) key_pair: Option<KeyPair>,
    pub(crate) ratio: Option<f64>,
    pub(crate) queue_spans: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) filter: Filter,
}

/// The values of the example that is printed: a collector without TLS, and what is empty by default.
const EXAMPLE: &str = r#"{
    "endpoint": "http://127.0.0.1:4318", "headers": [], "caCert": "", "clientCert": { "key": "", "cert": "" },
    "attributes": [{ "name": "deployment.environment.name", "value": "test" }], "filter": "info"
}"#;

impl Config for TracingConfig {
    const SERVICE: ServiceId = TRACING_SERVICE_ID;
    type Schema = tracing_spec::Owned;

    fn example(_: DomainId, _: AppId) -> Option<String> {
        Some(EXAMPLE.to_owned())
    }

    fn read(spec: tracing_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let endpoint = read_endpoint(spec, &mut problems.at("endpoint"));
        let headers = read_headers(spec, &mut problems.at("headers"));
        let authorities = read_authorities(spec, &mut problems.at("caCert"));
        let key_pair = read_key_pair(spec, &mut problems.at("clientCert"));
        let ratio = spec.get_ratio();
        if !(0.0..=1.0).contains(&ratio) {
            problems.at("ratio").add_found("must be 0 to 1", ratio);
        }
        let queue_spans = spec.get_queue_spans();
        within(queue_spans, 512, 1 << 20, &mut problems.at("queueSpans"));
        let timeout = spec.get_timeout_millis();
        within(timeout, 1, MAX_TIMEOUT_MILLIS, &mut problems.at("timeoutMillis"));
        let attributes = read_attributes(spec, &mut problems.at("attributes"));
        let filter = read_filter(spec, &mut problems.at("filter"));
        let (endpoint, authorities, key_pair) = (endpoint?, authorities?, key_pair?);
        if let Some(endpoint) = &endpoint {
            check_tls(endpoint, authorities.is_some(), key_pair.is_some(), problems);
        }
        Some(Self {
            endpoint,
            headers: headers?,
            authorities,
            key_pair,
            ratio: (ratio < 1.0).then_some(ratio),
            queue_spans: queue_spans as usize,
            timeout: (timeout != DEFAULT_TIMEOUT_MILLIS).then(|| Duration::from_millis(timeout.into())),
            attributes: attributes?,
            filter: filter?,
        })
    }

    fn without_file() -> Self {
        Self {
            endpoint: None,
            headers: Vec::new(),
            authorities: None,
            key_pair: None,
            ratio: None,
            queue_spans: DEFAULT_QUEUE_SPANS,
            timeout: None,
            attributes: Vec::new(),
            filter: Filter::default(),
        }
    }
}

fn within(value: u32, least: u32, most: u32, place: &mut Place<'_>) {
    if !(least..=most).contains(&value) {
        place.add_found(Expected::of_code(format_args!("must be {least} to {most}")), value);
    }
}

/// The authorities and the certificate that fit an endpoint of the same config.
fn check_tls(endpoint: &Endpoint, has_authorities: bool, shows: bool, problems: &mut Problems) {
    if endpoint.tls && !has_authorities {
        problems.at("caCert").add(
            "must not be empty for an endpoint with https: the authorities of the system are not trusted",
        );
    }
    if !endpoint.tls && shows {
        problems.at("clientCert").add("must be empty for an endpoint with http, which shows no certificate");
    }
}

#[expect(clippy::option_option, reason = "the outer one says that it could not be read")]
fn read_endpoint(spec: tracing_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Option<Endpoint>> {
    let url = place.text(spec.get_endpoint())?;
    if url.is_empty() {
        return Some(None);
    }
    match Endpoint::of_base(url) {
        Ok(endpoint) => Some(Some(endpoint)),
        Err(wrong) => {
            // A URL with a password is not shown.
            if url.contains('@') {
                place.add(wrong)
            } else {
                place.add_found(wrong, quoted(url))
            }
            None
        }
    }
}

/// The names and values of a list, with the place of each.
fn each<'a>(
    list: capnp::Result<capnp::struct_list::Reader<'a, header::Owned>>,
    most: u32,
    place: &mut Place<'_>,
    mut read: impl FnMut(&'a str, &'a str, &mut Place<'_>),
) -> Option<()> {
    let list = place.value(list)?;
    if list.len() > most {
        place.add_found(Expected::of_code(format_args!("must have at most {most} entries")), list.len());
        return None;
    }
    let mut names = BTreeSet::new();
    for (index, one) in list.iter().enumerate() {
        let mut place = place.index(index);
        let name = place.field("name").text(one.get_name())?;
        let value = place.field("value").text(one.get_value())?;
        if !names.insert(name.to_ascii_lowercase()) {
            place.field("name").add_found("must not be there twice", quoted(name));
        }
        read(name, value, &mut place);
    }
    Some(())
}

fn read_headers(spec: tracing_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Vec<Header>> {
    let mut headers = Vec::new();
    each(spec.get_headers(), MAX_HEADERS, place, |name, value, place| {
        match Header::checked(name, value.as_bytes().to_vec()) {
            Ok(header) => headers.push(header),
            // It may name the header, and never its value.
            Err(wrong) => place.add_in_full("must be a header that may be sent", wrong),
        }
    })?;
    Some(headers)
}

fn read_attributes(spec: tracing_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Vec<(String, String)>> {
    let mut attributes = Vec::new();
    each(spec.get_attributes(), MAX_ATTRIBUTES, place, |name, value, place| {
        if name.is_empty() {
            place.field("name").add("must not be empty");
        }
        if name.len() > MAX_ATTRIBUTE_BYTES || value.len() > MAX_ATTRIBUTE_BYTES {
            place.add("must have at most 4096 bytes");
        }
        attributes.push((name.to_owned(), value.to_owned()));
    })?;
    Some(attributes)
}

#[expect(clippy::option_option, reason = "the outer one says that it could not be read")]
fn read_authorities(spec: tracing_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Option<Authorities>> {
    let pem = place.value(spec.get_ca_cert())?;
    if pem.is_empty() {
        return Some(None);
    }
    let read = Authorities::from_pem(pem, &[]);
    read.map(Some).map_err(|error| place.add_in_full("must be certificates, PEM", error)).ok()
}

#[expect(clippy::option_option, reason = "the outer one says that it could not be read")]
fn read_key_pair(spec: tracing_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Option<KeyPair>> {
    if !KeyPair::is_given(spec.get_client_cert()) {
        return Some(None);
    }
    let pair = place.value(spec.get_client_cert())?;
    KeyPair::read(pair, Purpose::Client, None, place).map(Some)
}

fn read_filter(spec: tracing_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Filter> {
    let filter = place.text(spec.get_filter())?;
    let rule = "must be levels and target=level, separated by commas";
    Filter::parse(filter).map_err(|wrong| place.add_in_full(rule, wrong)).ok()
}

app_config::config! { TracingConfig, "Where spans go: the collector, and which spans it gets." }

#[cfg(test)]
mod tests;
