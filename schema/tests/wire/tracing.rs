//! The schema of the tracing service.

use schema::tracing_capnp;

use super::contract::check;

#[test]
fn the_tracing_schema_keeps_the_wire() {
    check::<tracing_capnp::tracing_spec::Owned>(
        0x89ac_abf9_b240_4e38,
        "TracingSpec",
        &[
            (0, "endpoint", "Text", ""),
            (1, "headers", "List(Header)", ""),
            (2, "caCert", "Data", ""),
            (3, "clientCert", "X509KeyPair", ""),
            (4, "ratio", "Float64", "1"),
            (5, "queueSpans", "UInt32", "8192"),
            (6, "timeoutMillis", "UInt32", "10000"),
            (7, "attributes", "List(Header)", ""),
            (8, "filter", "Text", ""),
        ],
    );
    check::<tracing_capnp::header::Owned>(
        0x927b_8576_8f2a_22ea,
        "Header",
        &[(0, "name", "Text", ""), (1, "value", "Text", "")],
    );
}
