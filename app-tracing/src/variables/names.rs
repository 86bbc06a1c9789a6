//! The names of the variables, and names that are nearly right.

/// The two names of a setting: the one of traces, which comes first, and the one of all signals.
pub(super) type Two = [&'static str; 2];

pub(super) const ENDPOINT: Two = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
pub(super) const HEADERS: Two = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
pub(super) const TIMEOUT: Two = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
pub(super) const COMPRESSION: Two =
    ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
pub(super) const CERTIFICATE: Two =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
pub(super) const CLIENT_KEY: Two = ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];
pub(super) const CLIENT_CERTIFICATE: Two =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
pub(super) const PROTOCOL: Two = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
pub(super) const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
pub(super) const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
pub(super) const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
pub(super) const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
pub(super) const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
pub(super) const DISABLED: &str = "OTEL_SDK_DISABLED";

/// Names that OpenTelemetry defines and this crate does not read: they are no mistakes.
const FOREIGN: &[&str] = &[
    "OTEL_ATTRIBUTE_",
    "OTEL_BLRP_",
    "OTEL_BSP_",
    "OTEL_CONFIG_FILE",
    "OTEL_EVENT_",
    "OTEL_EXPERIMENTAL_",
    "OTEL_EXPORTER_CONSOLE_",
    "OTEL_EXPORTER_JAEGER_",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_LOGS_",
    "OTEL_EXPORTER_OTLP_METRICS_",
    "OTEL_EXPORTER_OTLP_PROFILES_",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
    "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_PROMETHEUS_",
    "OTEL_EXPORTER_ZIPKIN_",
    "OTEL_LINK_",
    "OTEL_LOGRECORD_",
    "OTEL_LOGS_EXPORTER",
    "OTEL_LOG_LEVEL",
    "OTEL_METRICS_",
    "OTEL_METRIC_",
    "OTEL_PROPAGATORS",
    "OTEL_PYTHON_",
    "OTEL_SEMCONV_",
    "OTEL_SPAN_",
];

/// A name that begins with all of a known one of at least this length is near it, whatever follows.
const MIN_PREFIX: usize = 17;

/// The names as a whole.
pub(super) struct Names;

impl Names {
    /// Every name that is read.
    fn known() -> impl Iterator<Item = &'static str> {
        let two =
            [ENDPOINT, HEADERS, TIMEOUT, COMPRESSION, CERTIFICATE, CLIENT_KEY, CLIENT_CERTIFICATE, PROTOCOL];
        let one = [EXPORTER, SAMPLER, SAMPLER_ARG, SERVICE_NAME, ATTRIBUTES, DISABLED];
        two.into_iter().flatten().chain(one)
    }

    /// A warning for each of these names that nothing reads and that is near a known one.
    pub(super) fn near_known<'n>(set: impl Iterator<Item = &'n str>) -> Vec<String> {
        let told = |name: &str| {
            let near = Self::nearest(name)?;
            Some(format!("{name}: no such variable is read; did you mean {near}?"))
        };
        set.filter_map(told).collect()
    }

    fn nearest(name: &str) -> Option<&'static str> {
        if Self::known().any(|known| known == name) || FOREIGN.iter().any(|foreign| name.starts_with(foreign))
        {
            return None;
        }
        let plain = |name: &str| name.replace('_', "").to_ascii_uppercase();
        let ours = plain(name);
        let distance = |known: &str| strsim::osa_distance(&ours, &plain(known));
        let near = Self::known().map(|known| (distance(known), known)).min()?;
        let longer = || {
            let theirs = Self::known().filter(|known| ours.starts_with(&plain(known)));
            theirs.filter(|known| known.len() >= MIN_PREFIX).max_by_key(|known| known.len())
        };
        if near.0 <= 2 { Some(near.1) } else { longer() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_told_and_one_of_others_is_not() {
        for (name, near) in [
            ("OTEL_EXPORTER_OTLP_ENDPOIN", Some("OTEL_EXPORTER_OTLP_ENDPOINT")),
            ("OTEL_EXPORTER_OLTP_ENDPOINT", Some("OTEL_EXPORTER_OTLP_ENDPOINT")),
            ("OTEL_EXPORTER_OTLP_HEADER", Some("OTEL_EXPORTER_OTLP_HEADERS")),
            ("OTEL_SERVICENAME", Some("OTEL_SERVICE_NAME")),
            ("OTEL_TRACE_SAMPLER", Some("OTEL_TRACES_SAMPLER")),
            ("OTEL_EXPORTER_OTLP_ENDPOINT_URL", Some("OTEL_EXPORTER_OTLP_ENDPOINT")),
            ("OTEL_TRACES_SAMPLER", None),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", None),
            ("OTEL_BSP_SCHEDULE_DELAY", None),
            ("OTEL_LOGS_EXPORTER", None),
            ("OTEL_METRICS_EXPORTER", None),
            ("OTEL_GO_X_RESOURCE", None),
            ("OTEL_TRACES_", None),
        ] {
            assert_eq!(Names::nearest(name), near, "{name}");
        }
    }
}
