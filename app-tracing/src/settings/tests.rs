//! What is in effect of the config and the variables.

use app_config::Config;
use app_core::testing::TestApp;

use super::*;

async fn settings(config: impl FnOnce(&mut TracingConfig), variables: &[(&str, &str)]) -> Settings {
    let app = TestApp::empty().await;
    let mut own = TracingConfig::without_file();
    config(&mut own);
    Settings::new(app.app(), &own, &Variables::of(variables.iter().copied()))
}

fn shown(settings: &Settings) -> Result<String, String> {
    settings.destination.as_ref().map(|to| to.endpoint.to_string()).map_err(Clone::clone)
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://variables:4318");

#[tokio::test]
async fn the_config_counts_and_the_variables_where_it_is_silent() {
    let silent = settings(
        |_| {},
        &[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=v"),
        ],
    )
    .await;
    assert_eq!(shown(&silent).unwrap(), "http://variables:4318/v1/traces");
    assert_eq!(silent.timeout, Duration::from_millis(300));
    assert_eq!(silent.rule, SamplingRule { by_parent: false, ratio: 0.5 });
    assert_eq!(silent.destination.as_ref().ok().unwrap().headers[0].name(), "x-token");
    let config = |config: &mut TracingConfig| {
        config.endpoint = Endpoint::of_base("http://config:4318").ok();
        config.timeout = Some(Duration::from_secs(1));
        config.ratio = Some(0.25);
    };
    let said = settings(
        config,
        &[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
            ("OTEL_TRACES_SAMPLER", "always_off"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ],
    )
    .await;
    assert_eq!(shown(&said).unwrap(), "http://config:4318/v1/traces");
    assert_eq!((said.timeout, said.rule.ratio, said.rule.by_parent), (Duration::from_secs(1), 0.25, true));
}

#[tokio::test]
async fn nothing_is_exported_without_an_endpoint_and_where_it_is_turned_off() {
    for (variables, why) in [
        (&[][..], "no endpoint"),
        (&[ENDPOINT, ("OTEL_SDK_DISABLED", "true")][..], "OTEL_SDK_DISABLED"),
        (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")][..], "OTEL_TRACES_EXPORTER"),
        (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")][..], "grpc"),
    ] {
        let off = settings(|_| {}, variables).await;
        assert!(shown(&off).unwrap_err().contains(why) && !off.is_wrong, "{why}");
    }
}

#[tokio::test]
async fn https_without_authorities_is_off_and_said() {
    let off = settings(|_| {}, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c")]).await;
    assert!(off.is_wrong && off.warnings[0].contains("OTEL_EXPORTER_OTLP_CERTIFICATE"), "{:?}", off.warnings);
}

#[tokio::test]
async fn the_resource_says_who_the_process_is() {
    let found = settings(
        |config| config.attributes = vec![("service.version".to_owned(), "9".to_owned())],
        &[
            ENDPOINT,
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "host.name=h,a=b,service.version=8"),
        ],
    )
    .await;
    let value = |key: &str| {
        let found: Vec<_> = found.resource.iter().filter(|(name, _)| name == key).collect();
        assert_eq!(found.len(), 1, "{key}");
        found[0].1.clone()
    };
    let text = |text: &str| ResourceValue::Text(text.to_owned());
    for (key, expected) in [
        ("service.name", "shop"),
        ("service.version", "9"),
        ("host.name", "h"),
        ("a", "b"),
        ("telemetry.sdk.language", "rust"),
    ] {
        assert_eq!(value(key), text(expected), "{key}");
    }
    assert_eq!(value("process.pid"), ResourceValue::Int(std::process::id().into()));
    assert!(matches!(value("service.instance.id"), ResourceValue::Text(id) if !id.is_empty()));
}
