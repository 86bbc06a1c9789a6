//! A value that was loaded, with what tells it from another one.

use std::sync::Arc;

use super::config::Config;
use super::configured::Configured;
use crate::problems::Remark;

/// A value, and a digest of its content.
pub(crate) struct Loaded<C> {
    pub(crate) config: Configured<C>,
    /// Of the message, so that a file that was only sealed again counts as unchanged; `None` without a file.
    pub(crate) digest: Option<[u8; 32]>,
    /// Warnings and notes on the config.
    pub(crate) remarks: Arc<[Remark]>,
}

impl<C: Config> Loaded<C> {
    /// The default.
    pub(crate) fn without_file() -> Self {
        Self {
            config: Configured::new(<C as Config>::without_file(), false),
            digest: None,
            remarks: Arc::default(),
        }
    }

    /// A config from a file that is sealed or not.
    pub(crate) fn of_file(config: C, sealed: bool, digest: [u8; 32], remarks: Vec<Remark>) -> Self {
        Self { config: Configured::of_file(config, sealed), digest: Some(digest), remarks: remarks.into() }
    }
}

impl<C> Clone for Loaded<C> {
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), remarks: Arc::clone(&self.remarks), ..*self }
    }
}
