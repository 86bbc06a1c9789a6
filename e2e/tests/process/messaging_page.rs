//! The page `docs/MESSAGING.md`: three instances on a real server share one budget, and its commands work as written.

use std::path::Path;

use crate::nats;
use crate::page::{Step, follow, steps};

const PAGE: &str = include_str!("../../../docs/MESSAGING.md");
/// The port of the page. The test takes a free one.
const PORT: &str = "4222";

#[test]
fn every_command_works_as_written_and_prints_what_the_page_shows() {
    let Some(server) = nats::NatsProgram::newest() else { return };
    let (tried, _) = PAGE.split_once("\n## What you can rely on\n").unwrap();
    let port = nats::free_port().to_string();
    let steps: Vec<_> = steps(tried)
        .into_iter()
        .map(|Step { command, shown }| Step { command: command.replace(PORT, &port), shown })
        .collect();
    assert!(steps.len() > 16, "the page has lost its commands");
    let folder = tempfile::tempdir().unwrap();
    let known = format!(
        "export PATH={}:\"$PATH\"; trap 'kill $(jobs -p) 2> /dev/null || true; wait' EXIT",
        server.path.parent().unwrap_or(Path::new("/")).display()
    );
    follow(folder.path(), &known, &steps);
}
