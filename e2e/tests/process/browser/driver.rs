//! A browser that a test drives, through a script for node.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::tools;

/// A browser with one page. It ends with this value.
pub(crate) struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// The folder for files of a build: `target`.
fn target() -> &'static Path {
    e2e::folder().parent().unwrap()
}

/// The folder of playwright-core: where `.ci/run` puts it, or where `PLAYWRIGHT_CORE` says.
fn playwright() -> PathBuf {
    let named = env::var_os("PLAYWRIGHT_CORE").map(PathBuf::from);
    named.unwrap_or_else(|| target().join("ci-node/node_modules/playwright-core"))
}

impl Browser {
    /// Starts a browser; none if a tool is missing.
    pub(crate) fn start() -> Option<Self> {
        let folder = playwright();
        let load = format!("require({:?})", folder.display().to_string());
        let there = tools::installed("chromium", &["--version"], "chromium")
            && tools::installed("node", &["--version"], "nodejs")
            && tools::installed("node", &["-e", &load], "playwright-core of npm");
        if !there {
            return None;
        }
        let shots = target().join("dashboard-screenshots");
        fs::create_dir_all(&shots).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/browser/drive.mjs");
        let mut child = Command::new("node")
            .args([Path::new(script), &folder, &shots])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Some(Self { child, input, output: BufReader::new(output) })
    }

    #[track_caller]
    fn tell(&mut self, name: &str, mut arguments: Value) -> Value {
        arguments["do"] = json!(name);
        writeln!(self.input.as_mut().unwrap(), "{arguments}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{arguments}: no answer: {line}"));
        assert!(
            answer.get("error").is_none(),
            "{arguments}: {}",
            answer["error"].as_str().unwrap_or_default()
        );
        answer["ok"].clone()
    }

    /// A new page of this width, in light or dark, at a URL.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str, width: u32, dark: bool) {
        self.tell("open", json!({ "width": width, "height": 800, "dark": dark }));
        self.go(url);
    }

    /// Like [`open`](Self::open), with a script that runs before those of the page.
    #[track_caller]
    pub(crate) fn open_with(&mut self, url: &str, script: &str) {
        self.tell("open", json!({ "width": 1280, "height": 800 }));
        self.tell("first", json!({ "code": script }));
        self.go(url);
    }

    /// Enters a URL in the tab that is open.
    #[track_caller]
    pub(crate) fn go(&mut self, url: &str) {
        self.tell("goto", json!({ "url": url }));
    }

    #[track_caller]
    pub(crate) fn reload(&mut self) {
        self.tell("reload", json!({}));
    }

    /// Goes to another place of the page.
    #[track_caller]
    pub(crate) fn place(&mut self, hash: &str) {
        self.tell("eval", json!({ "code": format!("location.hash = {hash:?}") }));
    }

    #[track_caller]
    pub(crate) fn click(&mut self, at: &str) {
        self.tell("click", json!({ "at": at }));
    }

    #[track_caller]
    pub(crate) fn fill(&mut self, at: &str, text: &str) {
        self.tell("fill", json!({ "at": at, "text": text }));
    }

    #[track_caller]
    pub(crate) fn select(&mut self, at: &str, text: &str) {
        self.tell("select", json!({ "at": at, "text": text }));
    }

    #[track_caller]
    pub(crate) fn press(&mut self, keys: &str) {
        self.tell("press", json!({ "keys": keys }));
    }

    /// Waits until something is visible.
    #[track_caller]
    pub(crate) fn wait(&mut self, at: &str) {
        self.tell("wait", json!({ "at": at }));
    }

    /// Waits until something is not visible any more.
    #[track_caller]
    pub(crate) fn wait_gone(&mut self, at: &str) {
        self.tell("wait", json!({ "at": at, "gone": true }));
    }

    #[track_caller]
    pub(crate) fn text(&mut self, at: &str) -> String {
        self.tell("text", json!({ "at": at })).as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn count(&mut self, at: &str) -> u64 {
        self.tell("count", json!({ "at": at })).as_u64().unwrap()
    }

    #[track_caller]
    pub(crate) fn eval(&mut self, code: &str) -> Value {
        self.tell("eval", json!({ "code": code }))
    }

    /// Keeps a screenshot of the window, for `docs/DASHBOARD.md`.
    #[track_caller]
    pub(crate) fn shot_of_window(&mut self, name: &str) {
        self.tell("shot", json!({ "name": name, "whole": false }));
    }

    /// Keeps a screenshot of the whole page. Fails if the page is wider than the window, or if a script failed.
    #[track_caller]
    pub(crate) fn shot(&mut self, name: &str) {
        self.tell("shot", json!({ "name": name, "whole": true }));
        let over = self.eval("document.documentElement.scrollWidth - innerWidth");
        assert!(over.as_i64().is_some_and(|over| over <= 0), "{name}: the page is {over} pixels too wide");
        self.expect_no_problems(name);
    }

    /// Fails if a script failed, a dialog of a script was open, or the policy stopped something.
    #[track_caller]
    pub(crate) fn expect_no_problems(&mut self, name: &str) {
        assert_eq!(self.tell("problems", json!({})), json!([]), "{name}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The script ends the browser at the end of its input.
        self.input.take();
        let _ = self.child.wait();
    }
}
