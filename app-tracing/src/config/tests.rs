//! What a config may say, and what it is told when it may not.

use capnp::message::{Builder, HeapAllocator};

use super::*;

fn with_problems(fill: impl FnOnce(tracing_spec::Builder<'_>)) -> (Option<TracingConfig>, String) {
    let mut message: Builder<HeapAllocator> = Builder::new_default();
    fill(message.init_root());
    let mut problems = Problems::new();
    let config = TracingConfig::read(message.get_root_as_reader().unwrap(), &mut problems);
    (config, problems.to_string())
}

fn accepted(fill: impl FnOnce(tracing_spec::Builder<'_>)) -> TracingConfig {
    let (config, problems) = with_problems(fill);
    assert_eq!(problems, "");
    config.unwrap()
}

fn refused(fill: impl FnOnce(tracing_spec::Builder<'_>)) -> String {
    let (_, problems) = with_problems(fill);
    assert_ne!(problems, "");
    problems
}

#[test]
fn an_empty_config_has_the_defaults_of_a_missing_one_and_is_silent() {
    let (empty, missing) = (accepted(|_| {}), TracingConfig::without_file());
    assert_eq!(format!("{empty:?}"), format!("{missing:?}"));
    assert!(empty.endpoint.is_none() && empty.ratio.is_none() && empty.timeout.is_none());
}

#[test]
fn a_config_says_where_spans_go() {
    let config = accepted(|mut spec| {
        spec.set_endpoint("http://collector:4318");
        spec.set_ratio(0.25);
        spec.set_timeout_millis(500);
        spec.set_filter("warn,shop=debug");
        let mut header = spec.reborrow().init_headers(1).get(0);
        header.set_name("Authorization");
        header.set_value("Bearer s3cret");
        let mut attribute = spec.init_attributes(1).get(0);
        attribute.set_name("deployment.environment.name");
        attribute.set_value("test");
    });
    assert_eq!(config.endpoint.as_ref().unwrap().to_string(), "http://collector:4318/v1/traces");
    assert_eq!((config.ratio, config.timeout), (Some(0.25), Some(Duration::from_millis(500))));
    assert_eq!(config.headers[0].value().unwrap().to_str().unwrap(), "Bearer s3cret");
    assert_eq!(config.attributes[0].1, "test");
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
}

#[test]
fn each_mistake_is_told_at_its_field() {
    let told = refused(|mut spec| {
        spec.set_endpoint("collector:4318");
        spec.set_ratio(1.5);
        spec.set_queue_spans(1);
        spec.set_timeout_millis(0);
        spec.set_filter("loud");
        spec.set_ca_cert(b"no pem");
    });
    for wrong in [
        "endpoint: must begin with http:// or https://, found \"collector:4318\"",
        "ratio: must be 0 to 1, found 1.5",
        "queueSpans: must be 512 to 1048576, found 1",
        "timeoutMillis: must be 1 to 600000, found 0",
        "filter: must be levels",
        "caCert: ",
    ] {
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
    assert!(refused(|mut spec| spec.set_ratio(f64::NAN)).starts_with("ratio: must be 0 to 1"));
    let told = refused(|mut spec| spec.set_endpoint("https://collector"));
    assert!(told.starts_with("caCert: must not be empty for an endpoint with https"), "{told}");
    let told = refused(|mut spec| spec.set_endpoint("http://me:s3cret@collector"));
    assert_eq!(told, "endpoint: must have no user or password: use headers");
}

#[test]
fn headers_are_checked_and_their_values_not_shown() {
    let told = refused(|spec| {
        let mut headers = spec.init_headers(4);
        for (index, (name, value)) in
            (0..).zip([("host", "s3cret"), ("x", "s3cret\n"), ("Y", "1"), ("y", "s3cret")])
        {
            let mut header = headers.reborrow().get(index);
            header.set_name(name);
            header.set_value(value);
        }
    });
    for wrong in [
        "headers[0]: must not have the header host",
        "headers[1]: must have a value",
        "headers[3].name: must not be there twice",
    ] {
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
    assert!(!told.contains("s3cret"), "{told}");
    assert!(refused(|spec| _ = spec.init_headers(33)).contains("must have at most 32 entries"));
    let told = refused(|spec| _ = spec.init_attributes(1));
    assert!(told.starts_with("attributes[0].name: must not be empty"), "{told}");
}
