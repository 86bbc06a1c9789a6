//! What [`Configs::in_effect`](crate::Configs::in_effect) shows: the configs that the services run on, field by field.

pub use crate::configs::ConfigInEffect;
pub use crate::value::{FieldInEffect, FieldValue};
