//! The dashboard in a real browser, with real apps: what operators see and do.
//!
//! The tests need Debian's `chromium`, `node`, and `playwright-core` of npm; `.ci/run` installs them. Screenshots of all pages are in
//! `target/dashboard-screenshots`. Those of `docs/DASHBOARD.md` are `docs-*.png` there.

#[path = "browser/answers.rs"]
mod answers;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/evil.rs"]
mod evil;
#[path = "browser/fleet.rs"]
mod fleet;
#[path = "browser/forms.rs"]
mod forms;
#[path = "browser/messages.rs"]
mod messages;
#[path = "browser/pages.rs"]
mod pages;
#[path = "browser/server.rs"]
mod server;
#[path = "browser/shown.rs"]
mod shown;
