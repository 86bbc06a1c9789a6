//! Configs written by other software.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use app_core::prelude::*;
use app_metrics::METRICS_SERVICE_ID;
use svc_example::QUOTA;

use crate::{files::Configs, http::get, program::Program, tools};

const METRICS_SCHEMA: &str = "schema/capnp/metrics.capnp";
const QUOTA_SCHEMA: &str = "quota-schema/capnp/quota.capnp";

fn schema(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

/// Writes two configs with pycapnp and Python's zlib. The arguments are the two schemas and the directory of the configs.
const PYTHON: &str = r#"
import os, sys, zlib
import capnp

quota_schema, metrics_schema, configs = sys.argv[1:]

def write(service, message):
    path = os.path.join(configs, "0x%x" % service)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(zlib.compress(message.to_bytes_packed()))

quota = capnp.load(quota_schema)
write(0xce1f32c680e1ef0b, quota.QuotaSpec.new_message(rules=[
    {"name": "mails", "permits": 3, "periodMillis": 60000, "burst": 9, "maxKeys": 10},
    {"name": "größte", "permits": 5},
]))

metrics = capnp.load(metrics_schema)
write(0xe3054017c1b1d214, metrics.MetricsServiceSpec.new_message(
    httpPort=0,
    bindAddress="127.0.0.1",
    metricSpecs={"counterSpecs": [
        {"serviceId": 0xce1f32c680e1ef0b, "metricId": 0xfedcba9876543211, "help": "Declared by a config."},
    ]},
))
"#;

#[test]
fn configs_that_pycapnp_wrote_are_in_effect() {
    if !tools::installed("python3", &["-c", "import capnp"], "python3 and pycapnp") {
        return;
    }
    let configs = Configs::none();
    let (quota, metrics) = (schema(QUOTA_SCHEMA), schema(METRICS_SCHEMA));
    tools::run("python3", [Path::new("-c"), Path::new(PYTHON), &quota, &metrics, configs.path()]);
    let metrics = metrics_on(&configs, 2);
    assert!(metrics.contains("rule=\"mails\",outcome=\"granted\""), "{metrics}");
    assert!(metrics.contains("rule=\"größte\",outcome=\"granted\""), "{metrics}");
    assert!(
        metrics.contains("# HELP op_ce1f32c680e1ef0b_fedcba9876543211 Declared by a config.\n"),
        "{metrics}"
    );
}

#[test]
fn configs_that_the_capnp_program_wrote_are_in_effect() {
    if !tools::installed("capnp", &["--version"], "capnproto") {
        return;
    }
    let configs = Configs::none();
    let encode = |service: ServiceId, file: &str, name: &str, text: &str| {
        let (input, output) = (configs.path().join("input"), configs.path_of(service));
        fs::write(&input, text).unwrap();
        let schema = schema(file);
        // The output is binary, so it goes to a file.
        let script = r#"umask 077; exec capnp encode --packed "$0" "$1" <"$2" >"$3""#;
        let args = [
            "-c".as_ref(),
            script.as_ref(),
            schema.as_os_str(),
            name.as_ref(),
            input.as_ref(),
            output.as_ref(),
        ];
        Program::new("sh").args(args).run().expect_code(0);
        fs::write(&output, stored(&fs::read(&output).unwrap())).unwrap();
    };
    encode(
        METRICS_SERVICE_ID,
        METRICS_SCHEMA,
        "MetricsServiceSpec",
        "(httpPort = 0, bindAddress = \"127.0.0.1\")",
    );
    encode(QUOTA, QUOTA_SCHEMA, "QuotaSpec", "(rules = [(name = \"logins\", permits = 5, burst = 50)])");
    let metrics = metrics_on(&configs, 1);
    assert!(metrics.contains("rule=\"logins\",outcome=\"granted\""), "{metrics}");
}

/// Starts the service with these configs, asserts the number of rules, and returns the metrics.
fn metrics_on(configs: &Configs, rules: u32) -> String {
    let process = configs.service().start();
    let record = process.record("the rules", |record| record["message"] == "rules in effect");
    assert_eq!((&record["from_file"], &record["rules"]), (&true.into(), &rules.into()));
    get(process.ready(), "/metrics").body
}

/// Wraps bytes as zlib (RFC 1950) without compression. The test does this itself, without code of the program.
fn stored(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let (mut a, mut b) = (1_u32, 0);
    for byte in content {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    // Header; one last block, stored (RFC 1951, 3.2.4); Adler-32.
    let mut file = vec![0x78, 0x01, 0x01];
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.write_all(content).unwrap();
    file.extend((b << 16 | a).to_be_bytes());
    file
}
