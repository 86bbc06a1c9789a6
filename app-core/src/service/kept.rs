//! Values that services keep for the life of the app, across their own restarts.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::Arc,
};

use parking_lot::Mutex;

/// One value of each type.
#[derive(Default)]
pub(crate) struct Kept {
    by_type: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Kept {
    /// The value of this type, made on first use.
    pub(crate) fn get<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut by_type = self.by_type.lock();
        let value = by_type.get(&TypeId::of::<T>()).and_then(|value| Arc::clone(value).downcast().ok());
        value.unwrap_or_else(|| {
            let made = Arc::<T>::default();
            by_type.insert(TypeId::of::<T>(), Arc::<T>::clone(&made));
            made
        })
    }
}
