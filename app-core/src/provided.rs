//! Values that the application provides for its services, by type.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::Arc,
};

/// The provided values. Each is an `Arc<T>` under the id of `T`, which may be a trait object.
#[derive(Clone, Default)]
pub(crate) struct ProvidedValues(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl ProvidedValues {
    pub(crate) fn insert<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), Arc::new(value));
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref::<Arc<T>>().cloned())
    }
}

impl fmt::Debug for ProvidedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.0.len())
    }
}
