//! A Prometheus that scrapes the service and answers queries.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use app_metrics::Names;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::{listening, try_get},
    program::{Process, Program, poll},
    tools,
};

/// The package with `prometheus` and `promtool`.
pub(crate) const PACKAGE: &str = "prometheus";

/// A running Prometheus with a single job `quota`. It is killed when this value is dropped.
pub(crate) struct Scraper {
    process: Process,
    api: SocketAddr,
    _dir: TempDir,
}

impl Scraper {
    /// Starts a Prometheus that scrapes the target five times a second and evaluates the rules of these files. `None` if none is
    /// installed.
    pub(crate) fn of(target: SocketAddr, rules: &[PathBuf]) -> Option<Self> {
        Self::with_names(target, rules, Names::Ids)
    }

    /// Like [`of`](Self::of). Asks for these names; ids are the default, so for them it asks for none.
    pub(crate) fn with_names(target: SocketAddr, rules: &[PathBuf], names: Names) -> Option<Self> {
        if !tools::installed("prometheus", &["--version"], PACKAGE) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("prometheus.yml");
        let rules: Vec<_> = rules.iter().map(|file| format!("'{}'", file.display())).collect();
        let params = match names {
            Names::Readable => "params: { names: [readable] }, ",
            _ => "",
        };
        let scrapes = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: [{}]\n\
             scrape_configs: [{{ job_name: quota, {params}static_configs: [{{ targets: ['{target}'] }}] }}]\n",
            rules.join(", ")
        );
        fs::write(&config, scrapes).unwrap();
        let process = Program::new("prometheus")
            .args([
                argument("--config.file", &config),
                argument("--storage.tsdb.path", &dir.path().join("data")),
                "--web.listen-address=127.0.0.1:0".to_owned(),
            ])
            .start();
        let api = listening(&process);
        Some(Self { process, api, _dir: dir })
    }

    /// Waits until the answer to a query has a sample with this value.
    pub(crate) fn sample(&self, query: &str, value: &str) -> Value {
        poll(query, || self.samples(query).into_iter().find(|sample| sample["value"][1] == value))
    }

    /// The answer to an instant query; empty while Prometheus starts.
    ///
    /// # Panics
    /// If Prometheus cannot parse the query.
    #[track_caller]
    pub(crate) fn samples(&self, query: &str) -> Vec<Value> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={escaped}"));
        assert_ne!(answer["errorType"], "bad_data", "{query}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The answer of the API; null while Prometheus starts.
    pub(crate) fn get(&self, path: &str) -> Value {
        let Ok(answer) = try_get(self.api, path) else { return Value::Null };
        // From the first to the last brace, because the transfer encoding may add bytes around the JSON.
        let start = answer.body.find('{').unwrap_or_default();
        let mut answers = serde_json::Deserializer::from_str(&answer.body[start..]).into_iter::<Value>();
        answers.next().and_then(Result::ok).unwrap_or_default()
    }

    pub(crate) fn stop(self) {
        self.process.signal(Signal::SIGTERM);
        self.process.ended().expect_code(0);
    }
}

fn argument(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}
