//! The commands that operate a running app. Each has its own file.

mod configs;
mod context;
mod dashboard;
mod events;
pub(crate) mod health;
mod kill;
mod level;
pub(crate) mod metrics;
mod reload;
mod restart;
mod services;
mod stacks;
mod status;
