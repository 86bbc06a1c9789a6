//! The machine of a measurement.

use std::{fs, process::Command, time::Duration};

/// The heading of the report.
pub(crate) fn heading(took: Duration) -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "# What it costs, beside others

Written by `cargo run --release -p benches`; [README](README.md) says how to read it.

| | |
|---|---|
| processor | {} |
| cores | {} |
| kernel | {} |
| rustc | {} |
| commit | {} |
| date | {} |
| took | {} s, load at the end {} |
",
        processor(),
        std::thread::available_parallelism().map_or(0, usize::from),
        said("uname", &["-sr"]),
        said("rustc", &["--version"]),
        commit(),
        said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        took.as_secs(),
        load.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
    )
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    model.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim().to_owned()
}

fn commit() -> String {
    let changed = !said("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!(
        "{}{}",
        said("git", &["rev-parse", "--short", "HEAD"]),
        if changed { ", and changes" } else { "" }
    )
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output
        .map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
