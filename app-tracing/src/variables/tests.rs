//! Tests of the variables.

use super::*;

fn read(pairs: &[(&str, &str)]) -> FromVariables {
    Variables::of(pairs.iter().copied()).read()
}

#[test]
fn without_variables_and_with_empty_ones_there_is_nothing_and_no_warning() {
    let empty = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_HEADERS", " "),
        ("OTEL_SDK_DISABLED", ""),
        ("OTEL_TRACES_EXPORTER", ""),
        ("OTEL_TRACES_SAMPLER", ""),
        ("PATH", "/bin"),
    ];
    for found in [read(&[]), read(&empty)] {
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        assert!(found.endpoint.is_none() && found.off.is_none() && found.sampling.is_none());
    }
}

#[test]
fn the_variable_of_traces_comes_first_and_is_taken_as_it_is() {
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    assert_eq!(read(&[base]).endpoint.unwrap().to_string(), "http://c:4318/v1/traces");
    let found = read(&[base, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://d/own")]);
    assert_eq!(found.endpoint.unwrap().to_string(), "http://d/own");
    // A wrong one counts as unset.
    let found = read(&[base, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "d:4318")]);
    assert_eq!(found.endpoint.unwrap().to_string(), "http://c:4318/v1/traces");
    assert_eq!(found.warnings.len(), 1);
    assert!(found.warnings[0].starts_with("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must begin with http://"));
}

#[test]
fn every_setting_has_its_two_names() {
    for part in ["", "TRACES_"] {
        let name = |rest: &str| format!("OTEL_EXPORTER_OTLP_{part}{rest}");
        let variables = Variables::of([
            (name("TIMEOUT"), "250"),
            (name("COMPRESSION"), "none"),
            (name("HEADERS"), "x-token=a%20b"),
            (name("PROTOCOL"), "http/protobuf"),
        ]);
        let found = variables.read();
        assert_eq!(found.timeout, Some(Duration::from_millis(250)));
        assert_eq!(found.gzip, Some(false));
        assert_eq!(found.headers[0].value().unwrap().to_str().unwrap(), "a b");
        assert!(found.endpoint_off.is_none() && found.warnings.is_empty(), "{:?}", found.warnings);
    }
}

#[test]
fn a_wrong_value_is_a_warning_that_names_the_variable() {
    for (name, value, wrong) in [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "must be 1 to 600000 milliseconds"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "must be 1 to 600000 milliseconds"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", "must be 1 to 600000 milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "must be gzip or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http", "must be http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "xray", "must be always_on"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"),
        ("OTEL_SDK_DISABLED", "yes", "must be true or false"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b", "pair 2 has no ="),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", "can't be opened"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/null", "is no regular file"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/", "is no regular file"),
        ("OTEL_EXPORTER_OTLP_ENDPOIN", "http://c", "did you mean OTEL_EXPORTER_OTLP_ENDPOINT?"),
    ] {
        let found = read(&[(name, value)]);
        assert_eq!(found.warnings.len(), 1, "{name}: {:?}", found.warnings);
        let told = &found.warnings[0];
        assert!(told.starts_with(&format!("{name}: ")) && told.contains(wrong), "{told}");
    }
}

#[test]
fn no_warning_shows_a_header_or_a_password() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic s3cret,s3cret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=s3cret"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "host=s3cret"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@c:4318"),
    ] {
        let found = read(&[(name, value)]);
        assert_eq!(found.warnings.len(), 1, "{name}");
        assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
    }
    let found = read(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20s3cret")]);
    assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
}

#[test]
fn grpc_disabled_and_none_turn_the_export_off() {
    let grpc = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(grpc.endpoint_off.unwrap().contains("grpc") && grpc.off.is_none());
    assert!(grpc.warnings[0].starts_with("OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not supported"));
    for (name, value) in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
        let found = read(&[(name, value)]);
        assert!(found.off.unwrap().starts_with(name) && found.warnings.is_empty(), "{found:?}");
    }
    assert!(read(&[("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")]).off.is_none());
    let both = read(&[("OTEL_TRACES_EXPORTER", "otlp,console")]);
    assert!(both.off.is_none() && both.warnings.len() == 1, "{both:?}");
}

#[test]
fn the_name_of_the_service_comes_before_the_attributes() {
    let found = read(&[
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,deployment.environment.name=te%20st"),
        ("OTEL_SERVICE_NAME", "b"),
    ]);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(found.attributes, [pair("deployment.environment.name", "te st"), pair("service.name", "b")]);
}

#[test]
fn a_variable_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = OsString::from_vec(vec![0xff, b's']);
    let found = Variables::of([("OTEL_SERVICE_NAME", bytes)]).read();
    assert!(found.warnings[0].starts_with("OTEL_SERVICE_NAME: is not UTF-8"), "{found:?}");
}
