//! What a service gets: a config of its own type, fixed or following its file.

mod config;
mod configured;
mod live;
mod loaded;

pub(crate) use self::config::{Accepted, judge};
pub use self::config::{Config, parse};
pub use self::configured::Configured;
pub use self::live::LiveConfig;
pub(crate) use self::loaded::Loaded;
