//! `appctl` as operators run it, with well-behaved and with misbehaving apps.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "operate/apps.rs"]
mod apps;
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
#[path = "operate/fake_state.rs"]
mod fake_state;
#[path = "operate/files.rs"]
mod files;
#[path = "operate/fixture.rs"]
mod fixture;
#[path = "operate/flood.rs"]
mod flood;
#[path = "operate/floods.rs"]
mod floods;
#[path = "operate/instances.rs"]
mod instances;
#[path = "operate/operations.rs"]
mod operations;
#[path = "operate/page.rs"]
mod page;
#[path = "operate/probes.rs"]
mod probes;
#[path = "operate/real.rs"]
mod real;
#[path = "operate/see.rs"]
mod see;
#[path = "operate/several.rs"]
mod several;
