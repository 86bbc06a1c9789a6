//! The schemas keep the wire: node ids, ordinals, types and defaults are those of existing files and clients.
//!
//! The tables below are the contract, written by hand. `contract` reads the committed code by introspection.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use contract::{Row, check, enumerants};
use schema::{METHODS, config_capnp, errors_capnp, health_capnp, messaging_capnp, metrics_capnp, rpc_capnp};

#[path = "wire/admin.rs"]
mod admin;
#[path = "wire/contract.rs"]
mod contract;
#[path = "wire/operations.rs"]
mod operations;
#[path = "wire/tracing.rs"]
mod tracing;

#[test]
fn the_schema_of_the_config_service_keeps_the_wire() {
    check::<config_capnp::config_service_spec::Owned>(
        0xd0c6_3bb4_b623_df55,
        "ConfigServiceSpec",
        &[(0, "restartPolicies", "List(RestartPolicySpec)", "")],
    );
    check::<config_capnp::restart_policy_spec::Owned>(
        0x8f5a_8a81_e94e_212d,
        "RestartPolicySpec",
        &[
            (0, "serviceId", "UInt64", ""),
            (1, "after", "RestartAfter", "1"),
            (2, "maxRestarts", "UInt32", "10"),
            (3, "windowSeconds", "UInt32", "300"),
            (4, "backoffShortestMillis", "UInt32", "200"),
            (5, "backoffLongestMillis", "UInt32", "30000"),
        ],
    );
    let after = [(0, "never".to_owned()), (1, "onFailure".to_owned()), (2, "always".to_owned())];
    assert_eq!(enumerants::<config_capnp::RestartAfter>(), (0xbd1f_6fb7_c3f0_ae15, after.to_vec()));
}

#[test]
fn the_schema_of_errors_keeps_the_wire() {
    check::<errors_capnp::error::Owned>(
        0xa0ba_fc3f_55e8_eeb4,
        "Error",
        &[
            (0, "causes", "List(Text)", ""),
            (1, "message", "Text", ""),
            (2, "errorId", "UInt64", ""),
            (3, "errorType", "ErrorType", ""),
            (4, "severity", "ErrorSeverity", ""),
            (5, "stack", "Text", ""),
            (6, "tags", "List(Text)", ""),
            (7, "context", "Text", ""),
            (8, "uid", "UInt64", ""),
            (9, "time", "Int64", ""),
            (10, "domainId", "UInt64", ""),
            (11, "appId", "UInt64", ""),
            (12, "instanceId", "UInt64", ""),
            (13, "releaseId", "UInt64", ""),
            (14, "pid", "UInt32", ""),
            (15, "hostname", "Text", ""),
            (16, "serviceId", "UInt64", ""),
            (17, "location", "Text", ""),
        ],
    );
    let members = |names: &[&str]| (0..).zip(names.iter().map(|name| (*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(
        enumerants::<errors_capnp::ErrorType>(),
        (0xa9b3_1b39_a52b_74dd, members(&["bug", "knownEdgeCase", "config"]))
    );
    assert_eq!(
        enumerants::<errors_capnp::ErrorSeverity>(),
        (0xd9ff_7ad2_e267_df53, members(&["low", "medium", "high", "fatal"]))
    );
}

#[test]
fn the_health_schema_keeps_the_wire() {
    check::<health_capnp::health_check_service_spec::Owned>(
        0xf61f_7c33_b286_f52f,
        "HealthCheckServiceSpec",
        &[
            (0, "healthCheckSpecs", "List(HealthCheckSpec)", ""),
            (1, "commandServerChanSize", "UInt8", ""),
            (2, "maxConcurrentRuns", "UInt8", "1"),
        ],
    );
    check::<health_capnp::health_check_spec::Owned>(
        0xe65d_f7ca_ce0d_d1c2,
        "HealthCheckSpec",
        &[
            (0, "healthCheckID", "UInt64", ""),
            (1, "runIntervalSeconds", "UInt16", ""),
            (2, "timeoutSeconds", "UInt8", ""),
            (3, "failureThreshold", "UInt8", ""),
            (4, "successThreshold", "UInt8", ""),
        ],
    );
}

#[test]
fn the_metrics_schema_keeps_the_wire() {
    check::<metrics_capnp::metrics_service_spec::Owned>(
        0xb978_0f65_d514_6efb,
        "MetricsServiceSpec",
        &[
            (0, "httpPort", "UInt16", "4444"),
            (1, "metricSpecs", "MetricSpecs", ""),
            (2, "bindAddress", "Text", ""),
            (3, "maxSeriesPerVector", "UInt32", "1000"),
            (4, "constantLabels", "List(Text)", ""),
            (5, "facadePrefixes", "List(Text)", ""),
            (6, "facadeBuckets", "List(Float64)", ""),
            (7, "facadeIdleSeconds", "UInt32", ""),
        ],
    );
    check::<metrics_capnp::metric_specs::Owned>(
        0x8854_2dcd_70c6_048b,
        "MetricSpecs",
        &[
            (0, "counterSpecs", "List(CounterMetricSpec)", ""),
            (1, "counterVectorSpecs", "List(CounterVectorMetricSpec)", ""),
            (2, "gaugeSpecs", "List(GaugeMetricSpec)", ""),
            (3, "gaugeVectorSpecs", "List(GaugeVectorMetricSpec)", ""),
            (4, "histogramSpecs", "List(HistogramMetricSpec)", ""),
            (5, "histogramVectorSpecs", "List(HistogramVectorMetricSpec)", ""),
        ],
    );
}

#[test]
fn the_specs_of_the_six_kinds_keep_the_wire() {
    const SCALAR: [Row; 3] =
        [(0, "serviceId", "UInt64", ""), (1, "metricId", "UInt64", ""), (2, "help", "Text", "")];
    const HISTOGRAM: [Row; 4] = [SCALAR[0], SCALAR[1], SCALAR[2], (3, "buckets", "List(Float64)", "")];
    const LABELS: Row = (1, "labelNames", "List(Text)", "");
    const MAX_SERIES: Row = (2, "maxSeries", "UInt32", "");
    use metrics_capnp::{
        counter_metric_spec, counter_vector_metric_spec, gauge_metric_spec, gauge_vector_metric_spec,
        histogram_metric_spec, histogram_vector_metric_spec,
    };
    check::<counter_metric_spec::Owned>(0xfe23_7f35_c45e_cc97, "CounterMetricSpec", &SCALAR);
    check::<gauge_metric_spec::Owned>(0xeebf_043f_5429_43d3, "GaugeMetricSpec", &SCALAR);
    check::<histogram_metric_spec::Owned>(0x8e79_552f_df96_a8a7, "HistogramMetricSpec", &HISTOGRAM);
    check::<counter_vector_metric_spec::Owned>(
        0xdb34_d9fc_c1df_fa24,
        "CounterVectorMetricSpec",
        &[(0, "metricSpec", "CounterMetricSpec", ""), LABELS, MAX_SERIES],
    );
    check::<gauge_vector_metric_spec::Owned>(
        0xa227_4ad7_61e6_a999,
        "GaugeVectorMetricSpec",
        &[(0, "metricSpec", "GaugeMetricSpec", ""), LABELS, MAX_SERIES],
    );
    check::<histogram_vector_metric_spec::Owned>(
        0x8527_f1eb_82ce_eb98,
        "HistogramVectorMetricSpec",
        &[(0, "metricSpec", "HistogramMetricSpec", ""), LABELS, MAX_SERIES],
    );
}

#[test]
fn the_rpc_schema_keeps_the_wire() {
    let spec = (0, "rpcServiceSpec", "RPCServiceSpec", "");
    check::<rpc_capnp::rpc_server_spec::Owned>(
        0xfc13_c845_6771_ca68,
        "RPCServerSpec",
        &[
            spec,
            (1, "serverCert", "X509KeyPair", ""),
            (2, "caCert", "Data", ""),
            (3, "maxConns", "UInt32", ""),
            (4, "bindAddress", "Text", ""),
            (5, "crl", "Data", ""),
            (6, "grants", "List(RPCGrant)", ""),
            (7, "limits", "RPCLimits", ""),
            (8, "maxConnectionAgeSeconds", "UInt32", "3600"),
            (9, "threads", "UInt16", ""),
            (10, "maxClientConns", "UInt32", ""),
            (11, "maxCallsInFlight", "UInt32", ""),
            (12, "maxQueueMillis", "UInt32", "100"),
        ],
    );
    check::<rpc_capnp::rpc_client_spec::Owned>(
        0xbec6_6883_94d2_9776,
        "RPCClientSpec",
        &[
            spec,
            (1, "clientCert", "X509KeyPair", ""),
            (2, "caCert", "Data", ""),
            (3, "addresses", "List(Text)", ""),
            (4, "crl", "Data", ""),
            (5, "maxConnections", "UInt16", "8"),
            (6, "callMillis", "UInt32", "10000"),
            (7, "connectMillis", "UInt32", "5000"),
            (8, "maxConnectionAgeSeconds", "UInt32", "1800"),
            (9, "maxMessageBytes", "UInt32", "1048576"),
            (10, "maxInstances", "UInt16", "64"),
            (11, "retryPercent", "UInt16", "20"),
            (12, "retriesPerSecond", "UInt16", "10"),
            (13, "ejectAfterFailures", "UInt16", "5"),
            (14, "ejectMillis", "UInt32", "1000"),
            (15, "discover", "Bool", ""),
        ],
    );
    check::<rpc_capnp::rpc_service_spec::Owned>(
        0xb6e3_2df5_c504_ebf2,
        "RPCServiceSpec",
        &[
            (0, "domainID", "UInt64", ""),
            (1, "appId", "UInt64", ""),
            (2, "serviceId", "UInt64", ""),
            (3, "port", "UInt16", ""),
        ],
    );
    check::<rpc_capnp::x509_key_pair::Owned>(
        0xf4dd_7321_3f6e_70a6,
        "X509KeyPair",
        &[(0, "key", "Data", ""), (1, "cert", "Data", "")],
    );
}

#[test]
fn the_limits_and_grants_of_rpc_servers_keep_the_wire() {
    check::<rpc_capnp::rpc_limits::Owned>(
        0xb0c5_920e_1f58_92a0,
        "RPCLimits",
        &[
            (0, "maxMessageBytes", "UInt32", "1048576"),
            (1, "maxCalls", "UInt32", "1024"),
            (2, "maxHeldBytes", "UInt32", "8388608"),
            (3, "maxQueuedBytes", "UInt32", "16777216"),
            (4, "handshakeMillis", "UInt32", "5000"),
            (5, "stallMillis", "UInt32", "10000"),
            (6, "idleSeconds", "UInt32", "600"),
            (7, "drainMillis", "UInt32", "8000"),
            (8, "maxClientMemoryBytes", "UInt32", ""),
            (9, "maxMemoryBytes", "UInt32", ""),
        ],
    );
    check::<rpc_capnp::rpc_grant::Owned>(
        0xc076_dc74_8ae8_7068,
        "RPCGrant",
        &[(0, "name", "Text", ""), (1, "role", "RPCRole", "")],
    );
    let roles = [(0, "read"), (1, "operate"), (2, "admin")].map(|(ordinal, name)| (ordinal, name.to_owned()));
    assert_eq!(enumerants::<rpc_capnp::RpcRole>(), (0xf58b_d2cc_08fa_6a8f, roles.to_vec()));
}

#[test]
fn the_messaging_schema_keeps_the_wire() {
    check::<messaging_capnp::messaging_spec::Owned>(
        0xdee8_97c4_26e5_3517,
        "MessagingSpec",
        &[
            (0, "servers", "List(Text)", ""),
            (1, "credentials", "Data", ""),
            (2, "nkeySeed", "Data", ""),
            (3, "user", "Text", ""),
            (4, "password", "Text", ""),
            (5, "token", "Text", ""),
            (6, "caCert", "Data", ""),
            (7, "clientCert", "X509KeyPair", ""),
            (8, "tlsFirst", "Bool", ""),
            (9, "connectMillis", "UInt32", "5000"),
            (10, "sendMillis", "UInt32", "5000"),
            (11, "maxMessageBytes", "UInt32", "262144"),
            (12, "maxWaitingAcks", "UInt16", "1024"),
            (13, "required", "Bool", ""),
            (14, "provision", "Provision", ""),
            (15, "streams", "List(StreamOverride)", ""),
            (16, "publishServices", "Bool", "1"),
            (17, "inProcess", "Bool", ""),
            (18, "inboxPrefix", "Text", ""),
            (19, "domain", "Text", ""),
        ],
    );
    check::<messaging_capnp::stream_override::Owned>(
        0xce12_a40b_70eb_b3a0,
        "StreamOverride",
        &[
            (0, "id", "UInt64", ""),
            (1, "replicas", "UInt8", ""),
            (2, "storage", "Storage", ""),
            (3, "maxAgeSeconds", "UInt32", ""),
            (4, "maxBytes", "UInt64", ""),
            (5, "duplicateWindowSeconds", "UInt32", ""),
        ],
    );
    let provision = [(0, "ensure".to_owned()), (1, "verify".to_owned())];
    assert_eq!(enumerants::<messaging_capnp::Provision>(), (0x8ea6_4045_743d_da61, provision.to_vec()));
    let storage =
        [(0, "asDeclared"), (1, "file"), (2, "memory")].map(|(value, name)| (value, name.to_owned()));
    assert_eq!(enumerants::<messaging_capnp::Storage>(), (0xcc33_01ff_6dee_c050, storage.to_vec()));
}

#[test]
fn every_file_keeps_its_id() {
    for (file, id) in [
        ("errors", "@0xe6058e6a8b7d223d;"),
        ("health", "@0xe42204a141ec4e6f;"),
        ("metrics", "@0xdb8274f9144abc7e;"),
        ("rpc", "@0x99f3cbccce65aee8;"),
        ("admin", "@0xfdc27db3942316f7;"),
        ("messaging", "@0xbf8f5d580cca8dd4;"),
        ("tracing", "@0xd5cb1e911765aeda;"),
    ] {
        let path = format!("{}/capnp/{file}.capnp", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(path).unwrap().lines().any(|line| line == id), "{file}: {id}");
    }
}
