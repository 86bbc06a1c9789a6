//! Tests of what clients request and get.

use super::{Coding, coding, format};
use crate::exposition::Format::{self, OpenMetrics, Text};
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[track_caller]
fn gets_format(accept: &[&str], expected: Format) {
    assert_eq!(format(&headers(ACCEPT, accept)), expected, "{accept:?}");
}

#[track_caller]
fn gets_coding(accept: &[&str], expected: Option<Coding>) {
    assert_eq!(coding(&headers(ACCEPT_ENCODING, accept)), expected, "{accept:?}");
}

#[test]
fn every_prometheus_gets_openmetrics() {
    for accept in [
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    ] {
        gets_format(&[accept], OpenMetrics);
    }
}

#[test]
fn a_prometheus_that_is_told_to_scrape_text_gets_text() {
    gets_format(
        &["text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.1"],
        Text,
    );
    gets_format(
        &["text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
        Text,
    );
}

#[test]
fn openmetrics_is_for_those_who_prefer_it() {
    for accept in [
        "application/openmetrics-text",
        "APPLICATION/OpenMetrics-Text ; Version=1.0.0 ; Q=0.1",
        "application/openmetrics-text;version=\"1.0.0\"",
        "application/*",
        "text/plain;q=0.4, application/openmetrics-text;q=0.5",
        "text/*;q=0, */*",
        "text/plain;version=1.0.0, application/openmetrics-text;q=0.001",
        "a/b;c=\"x,text/plain\", application/openmetrics-text",
        "a/b;c=\"\\\",text/plain,\", application/openmetrics-text",
    ] {
        gets_format(&[accept], OpenMetrics);
    }
    gets_format(&["text/plain;q=0.4", "application/openmetrics-text;q=0.5"], OpenMetrics);
    gets_format(&["text/plain;q=0.4", "application/openmetrics-text;q=0.3"], Text);
}

#[test]
fn all_others_get_text() {
    gets_format(&[], Text);
    for accept in [
        "",
        "*/*",
        "*; q=.2, */*; q=.2",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/openmetrics-text, text/plain",
        "application/openmetrics-text;q=0.5, */*",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=0, application/*",
        "application/openmetrics-text;version=1.0.0;q=0, application/openmetrics-text",
        "application/json",
        "application/openmetrics-text;q=2",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=NaN",
        "application/openmetrics-text;q=1e-1",
        "application/openmetrics-text;q=",
        "application/openmetrics-textual",
        "openmetrics-text",
        ";;;,,,\";",
        "\u{ff}application/openmetrics-text",
    ] {
        gets_format(&[accept], Text);
    }
}

#[test]
fn gzip_is_for_those_who_accept_it() {
    for accept in
        ["gzip", "GZIP", "x-gzip", "*", "gzip;q=0.001", "deflate, gzip;q=1.0, *;q=0.5", "identity;q=0, *"]
    {
        gets_coding(&[accept], Some(Coding::Gzip));
    }
    for accept in ["identity;q=0.5, gzip;q=0.5", "br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=0.1, identity;q=0"]
    {
        gets_coding(&[accept], Some(Coding::Gzip));
    }
    gets_coding(&["br", "gzip"], Some(Coding::Gzip));
    gets_coding(&[], Some(Coding::Identity));
    for accept in
        ["", "identity", "br", "gzip;q=0", "gzip;q=0, *", "gzip;q=0.5, identity", "*;q=0, identity;q=0.1"]
    {
        gets_coding(&[accept], Some(Coding::Identity));
    }
    for accept in ["gzip;q=x", "gzi p", "gzip;q=0.0, identity", ",,;q=1"] {
        gets_coding(&[accept], Some(Coding::Identity));
    }
    for accept in ["identity;q=0", "*;q=0", "gzip;q=0, *;q=0", "br, identity;q=0", "gzip;q=0, identity;q=0"] {
        gets_coding(&[accept], None);
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_there_is_an_answer(values in prop::collection::vec("[ -~\u{80}-\u{ff}\t]{0,60}", 0..4)) {
        let mut headers = HeaderMap::new();
        for value in &values {
            for name in [ACCEPT, ACCEPT_ENCODING] {
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
        }
        let _ = (format(&headers), coding(&headers));
    }
}
