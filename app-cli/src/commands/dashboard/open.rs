//! Opens the page in a browser, without the token on a command line, which other users can read.
//!
//! The URL is in a file that only the operator can read. The browser gets the path of the file, and the file leads it to the URL. The
//! file is gone as soon as the token is spent.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Opens pages, and keeps the file of the last one.
pub(super) struct Opener {
    file: Option<PathBuf>,
}

impl Opener {
    pub(super) fn new() -> Self {
        Self { file: None }
    }

    /// Whether there is a file that a browser has not used yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.file.is_some()
    }

    /// Removes the file.
    pub(super) fn forget(&mut self) {
        if let Some(file) = self.file.take() {
            // It may be gone already.
            let _ = fs::remove_file(file);
        }
    }

    /// Opens a URL. It has no characters that HTML would read.
    pub(super) fn open(&mut self, url: &str) -> Result<(), String> {
        self.forget();
        let path = folder().join(format!("appctl-dashboard-{:016x}.html", app_ids::random_u64()));
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        self.file = Some(path.clone());
        let page = format!(
            "<!doctype html><meta charset=utf-8><title>appctl dashboard</title><meta http-equiv=refresh content=\"0;url={url}\"><a href=\"{url}\">To the dashboard</a>\n"
        );
        file.write_all(page.as_bytes()).map_err(failed)?;
        let browser = env::var_os("BROWSER").filter(|browser| !browser.is_empty());
        let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let mut command = Command::new(browser.unwrap_or_else(|| usual.into()));
        command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // The browser may run longer than this command, or end at once. Neither is of interest.
        let started = command.spawn();
        let mut child = started.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let waiting = move || {
            // Without this wait, an ended browser would stay in the list of processes.
            let _ = child.wait();
        };
        app_core::threads::spawn_thread("browser", waiting).map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The folder of this user's run-time files, else that of temporary files.
fn folder() -> PathBuf {
    let own = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    own.filter(|folder| folder.is_dir()).unwrap_or_else(env::temp_dir)
}
