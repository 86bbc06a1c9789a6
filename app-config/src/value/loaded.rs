//! A value that was loaded, with what tells it from another one.

use std::sync::Arc;

use super::config::{Accepted, Config};
use super::configured::Configured;
use super::in_effect::Fields;
use crate::problems::Remark;

/// A value, and a digest of its content.
pub(crate) struct Loaded<C> {
    pub(crate) config: Configured<C>,
    /// Of the message, so that a file that was only sealed again counts as unchanged; `None` without a file.
    pub(crate) digest: Option<[u8; 32]>,
    /// Warnings and notes on the config.
    pub(crate) remarks: Arc<[Remark]>,
    /// What operators may see of it.
    pub(crate) fields: Fields,
}

impl<C: Config> Loaded<C> {
    /// The default.
    pub(crate) fn without_file() -> Self {
        Self {
            config: Configured::new(<C as Config>::without_file(), false),
            digest: None,
            remarks: Arc::default(),
            fields: Fields::without_file::<C>(),
        }
    }

    /// A config from a file that is sealed or not.
    pub(crate) fn of_file(accepted: Accepted<C>, sealed: bool, digest: [u8; 32], fields: Fields) -> Self {
        let Accepted { config, remarks } = accepted;
        let config = Configured::of_file(config, sealed);
        Self { config, digest: Some(digest), remarks: remarks.into(), fields }
    }
}

impl<C> Loaded<C> {
    /// Puts another value here. Its fields that stay the same have their value since then.
    pub(crate) fn replace_by(&mut self, mut value: Self) {
        value.fields = value.fields.instead_of(&self.fields);
        *self = value;
    }
}

impl<C> Clone for Loaded<C> {
    fn clone(&self) -> Self {
        Self {
            config: self.config.clone(),
            remarks: Arc::clone(&self.remarks),
            fields: self.fields.clone(),
            ..*self
        }
    }
}
