//! A message under construction.

use std::ops::{Deref, DerefMut};

use capnp::any_pointer;
use capnp::message::{Builder, HeapAllocator};

/// A message under construction. It is overwritten on drop, since its JSON may hold secrets.
///
/// ```
/// use capnp::introspect::{Introspect, TypeVariant};
/// use quota_schema::quota_capnp::quota_spec;
///
/// let TypeVariant::Struct(schema) = quota_spec::Owned::introspect().which() else { panic!("a struct") };
/// let json = r#"{"rules": [{"name": "mail", "permits": 10}]}"#;
/// let draft = app_config::author::from_json(schema.into(), json, None).map_err(|problems| problems.to_string())?;
/// let mut file = Vec::new();
/// app_config::codec::marshal(&draft, &mut file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Draft(Builder<HeapAllocator>);

impl Draft {
    pub(super) fn new() -> Self {
        Self(Builder::new_default())
    }

    /// Overwrites everything that the root leads to. A builder has no other content.
    fn wipe(&mut self) {
        // Without a root the message is empty.
        if let Ok(mut root) = self.0.get_root::<any_pointer::Builder<'_>>() {
            root.clear();
        }
        for segment in self.0.get_segments_for_output().iter() {
            zeroize::optimization_barrier(*segment);
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl Deref for Draft {
    type Target = Builder<HeapAllocator>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, marshal};
    use crate::json::samples::{Dice, all_types, message};
    use crate::json::{from_json, to_json};

    #[test]
    fn nothing_is_left_of_a_message_of_any_type() {
        for schema in all_types() {
            for seed in 0..30 {
                let mut file = Vec::new();
                marshal(&message(schema, &mut Dice(seed)), &mut file).unwrap();
                let json = to_json(schema, decode(&file).unwrap()).unwrap_or_else(|error| panic!("{error}"));
                let mut draft =
                    from_json(schema, &json, None).unwrap_or_else(|error| panic!("{error}\n{json}"));
                draft.wipe();
                let left = draft.get_segments_for_output();
                assert!(left.iter().all(|segment| segment.iter().all(|byte| *byte == 0)), "{json}");
            }
        }
    }

    #[test]
    fn a_message_without_a_root_is_wiped_too() {
        Draft::new().wipe();
    }
}
