//! The commands that operate a running app. Each has its own file.

mod apps;
pub(crate) mod config_show;
mod configs;
mod context;
mod dashboard;
mod events;
pub(crate) mod graph;
pub(crate) mod health;
mod kill;
mod level;
mod logs;
pub(crate) mod metrics;
mod new;
mod operations;
mod reload;
mod restart;
mod services;
mod stacks;
mod status;
mod wait;
mod whoami;
