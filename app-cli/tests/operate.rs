//! `appctl` as operators run it, against apps that answer as they should, and against others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "operate/commands.rs"]
mod commands;
#[path = "operate/contexts.rs"]
mod contexts;
#[path = "operate/events.rs"]
mod events;
#[path = "operate/failures.rs"]
mod failures;
#[path = "operate/fake.rs"]
mod fake;
#[path = "operate/fake_configs.rs"]
mod fake_configs;
#[path = "operate/files.rs"]
mod files;
#[path = "operate/flood.rs"]
mod flood;
#[path = "operate/floods.rs"]
mod floods;
#[path = "operate/instances.rs"]
mod instances;
#[path = "operate/page.rs"]
mod page;
#[path = "operate/questions.rs"]
mod questions;
#[path = "operate/real.rs"]
mod real;
#[path = "operate/stand.rs"]
mod stand;
