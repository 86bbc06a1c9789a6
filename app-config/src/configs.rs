//! The configs of an application: the directory that has them, and the values that services took from it.

mod check;
mod current;
mod dir;
mod directory_check;
mod handle;
mod in_use;
mod listing;
mod load;
mod reload;

pub(crate) use self::check::check_against;
pub use self::check::{CheckError, Checked, check_all};
pub(crate) use self::current::{current_config, current_dir};
pub use self::dir::ConfigDir;
pub(crate) use self::directory_check::DirectoryCheck;
pub use self::handle::Configs;
pub(crate) use self::handle::Kept;
pub use self::in_use::{ConfigInEffect, ReloadStatus, StaleConfig, StaleKind};
pub use self::listing::DirectoryError;
pub use self::load::{LoadError, upcoming};
pub(crate) use self::reload::watch;
