//! What a service gets: a config of its own type, fixed or following its file.

mod config;
mod configured;
mod in_effect;
mod live;
mod loaded;

pub(crate) use self::config::judge;
pub use self::config::{Config, parse};
pub use self::configured::Configured;
pub(crate) use self::in_effect::Fields;
pub use self::in_effect::{FieldInEffect, FieldValue};
pub use self::live::LiveConfig;
pub(crate) use self::loaded::Loaded;
