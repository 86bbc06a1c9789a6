//! The page `docs/RPC.md`: its code is that of the files that it names, and its commands work as written.

use std::{fs, net::TcpListener, path::Path};

use crate::page::{Step, follow, steps};

const PAGE: &str = include_str!("../../../docs/RPC.md");
/// The port in the examples that `config explain` prints. The test takes a free one.
const PORT: &str = "24587";
/// The page's command after which both examples are there.
const EXPLAINED: &str = "orders config explain quota-client --json > pki/quota-client.json";

/// The blocks of Rust, each with the file that the text before it names. A block without a name is of the file of the block before.
fn blocks() -> Vec<(String, String)> {
    let (mut blocks, mut file) = (Vec::new(), String::new());
    for part in PAGE.split("```rust\n").collect::<Vec<_>>().windows(2) {
        let named = part[0].rsplit("```").next().unwrap();
        let paths = named.split('`').skip(1).step_by(2).filter(|path| path.ends_with(".rs"));
        if let Some(path) = paths.last() {
            path.clone_into(&mut file);
        }
        blocks.push((file.clone(), part[1].split("```").next().unwrap().to_owned()));
    }
    blocks
}

#[test]
fn the_code_of_the_page_is_the_code_of_the_files_that_it_names() {
    let blocks = blocks();
    assert!(blocks.len() >= 6, "the page has lost its code: {blocks:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (file, block) in blocks {
        let code = fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(code.contains(&block), "{file} does not have this code of the page:\n{block}");
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn every_command_works_as_written_and_prints_what_the_page_shows() {
    let (tried, _) = PAGE.split_once("\n## Configs\n").unwrap();
    let mut steps = steps(tried);
    let explained = steps.iter().position(|step| step.command == EXPLAINED).unwrap();
    assert!(steps.len() > 18, "the page has lost its commands");
    let other_port = format!(
        "grep -l {PORT} pki/quota-rpc.json pki/quota-client.json && sed -i s/{PORT}/{}/ pki/*.json",
        free_port()
    );
    let shown = ["pki/quota-rpc.json", "pki/quota-client.json"].map(str::to_owned).to_vec();
    steps.insert(explained + 1, Step { command: other_port, shown });
    let folder = tempfile::tempdir().unwrap();
    follow(folder.path(), "set -e; trap 'kill $(jobs -p) 2> /dev/null || true' EXIT", &steps);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (server, caller) = (read("server.log"), read("caller.log"));
    for (name, log) in [("server", &server), ("caller", &caller)] {
        let stopped = log.lines().any(|line| line.contains("\"app_stopped\""));
        assert!(stopped, "{name} did not stop cleanly:\n{log}");
    }
    assert!(caller.contains("quota-client"), "{caller}");
}
